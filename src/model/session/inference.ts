import type { NativeSession } from '../../system/native.js';
import { isRefusal } from '../../system/refusal.js';
import { type TableDecoder, tableDecoder } from '../../table/decoder.js';
import type { TablePlan } from '../compose/table-ends.js';
import { allocateBuffer } from './session-errors.js';

/** The result of a composed graph: rows of a fixed size, for a batch of frames. */
export interface ResultShape {
  readonly batch: number;
  /** Bytes of a row. */
  readonly styledBytes: number;
  /** The table whose packed rows lie in each row, before the check byte. */
  readonly table?: TablePlan;
}

/** Runs a composed graph, and fills the rows of its table into the result. One run at a time. */
export interface Inference {
  /** Runs a batch; only the first `frames` count. */
  run(input: Uint8Array, output: Uint8Array, frames: number): Promise<void>;
}

const FLOAT_BYTES = 4;

/** Returns the inference of a session. Memory for the tensors of a table is allocated by the first run. */
export function inferenceOf(session: NativeSession, { batch, styledBytes, table }: ResultShape): Inference {
  if (table === undefined) return { run: (input, output) => session.run([input], [output]) };
  const { spec, shapes, geometry, frameBytes } = table;
  const offset = styledBytes - 1 - frameBytes;
  const sizes = shapes.map((shape) => shape.reduce((all, size) => all * size, 1));
  let made: { readonly tensors: readonly Uint8Array[]; readonly decoder: TableDecoder } | undefined;

  function make() {
    const decoder = tableDecoder(spec, shapes, geometry);
    if (isRefusal(decoder)) throw new Error(decoder.refusal);
    return { decoder, tensors: sizes.map((size) => allocateBuffer(batch * size * FLOAT_BYTES, session)) };
  }

  return {
    async run(input, output, frames) {
      made ??= make();
      const { tensors, decoder } = made;
      await session.run([input], [output, ...tensors]);
      for (let frame = 0; frame < frames; frame++) {
        const own = tensors.map(({ buffer, byteOffset }, at) => {
          const size = sizes[at] ?? 0;
          return new Float32Array(buffer, byteOffset + frame * size * FLOAT_BYTES, size);
        });
        const from = frame * styledBytes + offset;
        decoder.decode(own, output.subarray(from, from + frameBytes));
      }
    },
  };
}

/** Allocates buffers for the outputs of a session after the first, by `allocate`. */
export function furtherOutputs(
  session: Pick<NativeSession, 'outputs'>,
  allocate: (bytes: number) => Uint8Array,
): readonly Uint8Array[] {
  return session.outputs.slice(1).map(({ bytes }) => allocate(bytes));
}
