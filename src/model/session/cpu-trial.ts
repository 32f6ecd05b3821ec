import { JobError } from '../../system/errors.js';
import type { Native, NativeSession, TensorInfo } from '../../system/native.js';
import { I420, type SampleFormat, samplesOf } from '../../video/formats/frame-format.js';
import { furtherBuffers } from './inference.js';

/** The most levels between a sample and the CPU's, and the largest share of samples that may differ. */
const MOST_LEVELS = 1;
const MOST_SHARE = 0.01;
/** The largest difference of a number of a table, of its magnitude or the mean magnitude. */
const MOST_RELATIVE = 0.01;

export interface CpuTrial {
  /** The graph in fp32, as CPUs run it. */
  readonly graph: Uint8Array;
  readonly threads: number;
  /** Undefined: samples are bytes. */
  readonly sample?: SampleFormat;
  /** The provider and its device, in messages. */
  readonly where: string;
}

/**
 * Runs a batch of frames in a session and on the CPU, and compares the results.
 *
 * @throws {JobError} provider: when they differ by more than rounding.
 */
export async function compareWithCpu(
  session: NativeSession,
  { graph, threads, sample = I420, where }: CpuTrial,
  addon: Pick<Native, 'createSession' | 'allocate'>,
): Promise<void> {
  const cpu = await addon.createSession(graph, { provider: 'cpu', device: 0, threads });
  try {
    const expected = await run(cpu, sample, addon);
    const actual = await run(session, sample, addon);
    for (const [at, info] of cpu.outputs.entries()) {
      const [ours, theirs] = [expected[at] ?? new Uint8Array(), actual[at] ?? new Uint8Array()];
      const difference = at === 0 ? ofRows(ours, theirs, info, sample) : ofNumbers(ours, theirs, info);
      if (difference === undefined) continue;
      throw new JobError('provider', `${where} computes this model wrongly: ${difference}`, {
        hint: 'use --provider cpu; a newer driver of the GPU may be right',
      });
    }
  } finally {
    await cpu.dispose();
  }
}

/** Returns what a session makes of the pattern. States and places are zero, as in a dry run. */
async function run(
  session: NativeSession,
  sample: SampleFormat,
  addon: Pick<Native, 'allocate'>,
): Promise<readonly Uint8Array[]> {
  const allocate = (bytes: number): Uint8Array => new Uint8Array(addon.allocate(bytes, session));
  const input = allocate(session.inputs[0]?.bytes ?? 0);
  fillPattern(samplesOf(input, sample), sample);
  const output = allocate(session.outputs[0]?.bytes ?? 0);
  const further = furtherBuffers(session, allocate);
  const outputs = [output, ...further.outputs];
  await session.run([input, ...further.inputs], outputs);
  return outputs;
}

/** Fills slopes, edges and some noise into frames, within the range of video. Always the same. */
function fillPattern(samples: Uint8Array | Uint16Array, { bits }: SampleFormat): void {
  let state = 1;
  for (let at = 0; at < samples.length; at += 1) {
    // The generator of Numerical Recipes.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const level = 16 + ((Math.floor(at / 7) + Math.floor(at / 320)) % 200) + (state >>> 29);
    samples[at] = level << (bits - 8);
  }
}

/** Returns how rows differ; undefined if they agree. Each ends with a byte that says if all is finite. */
function ofRows(
  expected: Uint8Array,
  actual: Uint8Array,
  { shape }: TensorInfo,
  sample: SampleFormat,
): string | undefined {
  const [ours, theirs] = [samplesOf(expected, sample), samplesOf(actual, sample)];
  const row = shape.at(-1) ?? 0;
  let [most, count] = [0, 0];
  for (let at = 0; at < ours.length; at += 1) {
    const apart = Math.abs((ours[at] ?? 0) - (theirs[at] ?? 0));
    if (apart === 0) continue;
    if ((at + 1) % row === 0) return 'it gives numbers that are not finite, or takes such for finite';
    count += 1;
    most = Math.max(most, apart);
  }
  if (most <= MOST_LEVELS && count <= MOST_SHARE * ours.length) return undefined;
  const levels = `${most} level${most === 1 ? '' : 's'}`;
  const share = ((100 * count) / ours.length).toPrecision(2);
  return `its samples are up to ${levels} away from those of the CPU, and ${share} % of them differ`;
}

/** Returns how the numbers of a table or a state differ; undefined if they agree. */
function ofNumbers(expected: Uint8Array, actual: Uint8Array, { name, type }: TensorInfo): string | undefined {
  const isFloat = type === 'float';
  const ours = numbersOf(expected, isFloat);
  const theirs = numbersOf(actual, isFloat);
  const mean = ours.reduce((sum, one) => sum + Math.abs(one) / ours.length, 0);
  const off = ours.filter((one, at) => {
    const other = theirs[at] ?? 0;
    if (!isFloat) return one !== other;
    return (
      !(Math.abs(one - other) <= MOST_RELATIVE * Math.max(Math.abs(one), mean)) && !Object.is(one, other)
    );
  }).length;
  if (off <= MOST_SHARE * ours.length) return undefined;
  return `${off} of the ${ours.length} numbers of its output ${name} differ from those of the CPU`;
}

function numbersOf(bytes: Uint8Array, isFloat: boolean): Float64Array {
  return Float64Array.from(
    isFloat ? new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4) : bytes,
  );
}
