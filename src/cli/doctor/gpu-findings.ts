import { SMALL_BYTES, smallGraph } from '../../model/graph/small-graph.js';
import { PROVIDERS } from '../../model/session/providers.js';
import { messageOf } from '../../system/errors.js';
import type { Native, ProviderName } from '../../system/native.js';
import type { Finding } from './finding.js';

/** The GPUs of this machine, before doctor tries them. */
export interface GpuFacts {
  /** The number that this process may use. */
  readonly visible: number;
  /** ONNX Runtime's libraries for GPUs, by file name. */
  readonly libraries: readonly string[];
}

const NO_GPU = { remedy: 'jobs use the CPU', fatal: false } as const;
const NO_LIBRARIES = {
  remedy: "ONNX Runtime's CUDA libraries are missing: bash scripts/setup-cuda.sh",
  fatal: false,
} as const;

/** Counts the GPUs and runs a small graph on each, by every provider whose library is there. */
export async function gpuFindings(
  { visible, libraries }: GpuFacts,
  addon: () => Pick<Native, 'createSession'>,
): Promise<readonly Finding[]> {
  if (visible === 0) return [{ subject: 'GPUs', found: 'none visible', lack: NO_GPU }];
  const found = `${visible} visible`;
  const has = (provider: ProviderName): boolean => libraries.includes(PROVIDERS[provider].library ?? '');
  if (!has('cuda')) return [{ subject: 'GPUs', found, lack: NO_LIBRARIES }];
  const findings: Finding[] = [{ subject: 'GPUs', found }, await tried('cuda', visible, addon)];
  if (has('tensorrt')) findings.push(await tried('tensorrt', visible, addon));
  return findings;
}

async function tried(
  provider: ProviderName,
  visible: number,
  addon: () => Pick<Native, 'createSession'>,
): Promise<Finding> {
  const { title: subject, remedy } = PROVIDERS[provider];
  const notes = new Set<string>();
  for (let device = 0; device < visible; device += 1) {
    try {
      for (const note of await runSmall(provider, device, addon())) notes.add(note);
    } catch (error) {
      const found = `GPU ${device}: ${messageOf(error)}`;
      return { subject, found, lack: { remedy, fatal: false } };
    }
  }
  const found = visible === 1 ? 'runs a small graph' : `runs a small graph on each of ${visible} GPUs`;
  if (notes.size === 0) return { subject, found };
  return {
    subject,
    found,
    lack: { remedy: `it is right, and slower: ${[...notes].join('; ')}`, fatal: false },
  };
}

/** Runs a small graph on a device. Returns the session's notes on what is slower than it might be. */
export async function runSmall(
  provider: ProviderName,
  device: number,
  addon: Pick<Native, 'createSession'>,
): Promise<readonly string[]> {
  const session = await addon.createSession(smallGraph(), { provider, device, threads: 1 });
  try {
    const input = Uint8Array.from({ length: SMALL_BYTES }, (_, i) => 3 * i);
    const output = new Uint8Array(SMALL_BYTES);
    await session.run([input], [output]);
    if (input.some((byte, i) => byte !== output[i])) throw new Error('a small graph gave a wrong result');
    return session.notes;
  } finally {
    await session.dispose();
  }
}
