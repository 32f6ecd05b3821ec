/** From the tensors of a session's run to the packed rows of a table. */
import type { NativeSession } from '../../system/native.js';
import { isRefusal } from '../../system/refusal.js';
import { tableDecoder } from '../../table/decoder.js';
import { numberBytes, numbersIn } from '../../table/numbers.js';
import { elements } from '../../table/shapes.js';
import type { TablePlan } from '../compose/table-ends.js';
import { allocateBuffer } from './session-errors.js';

export interface TableRows {
  /** Memory for the outputs of the session after the first. */
  readonly tensors: readonly Uint8Array[];
  /** Packs the rows of the first `frames` frames of a batch into their rows of the result. */
  fill(output: Uint8Array, frames: number): void;
}

/** Allocates the tensors of a table for a session. `rowBytes` are those of a row of the result. */
export function openRows(
  session: NativeSession,
  { spec, shapes, types, geometry, frameBytes, open }: TablePlan,
  batch: number,
  rowBytes: number,
): TableRows {
  const decoder = tableDecoder(spec, shapes, geometry, { types, open });
  if (isRefusal(decoder)) throw new Error(decoder.refusal);
  const offset = rowBytes - 1 - frameBytes;
  const tensorsOf = [
    ...shapes.map((shape, at) => ({ size: elements(shape), type: types[at] ?? 'float32' })),
    ...(open === undefined ? [] : [{ size: open.tensors, type: 'float32' as const }]),
  ];
  const tensors = tensorsOf.map(({ size, type }) =>
    allocateBuffer(batch * size * numberBytes(type), session),
  );
  return {
    tensors,
    fill(output, frames) {
      for (let frame = 0; frame < frames; frame++) {
        const own = tensors.map(({ buffer, byteOffset }, at) => {
          const { size, type } = tensorsOf[at] ?? { size: 0, type: 'float32' };
          return numbersIn(type, buffer, byteOffset + frame * size * numberBytes(type), size);
        });
        const from = frame * rowBytes + offset;
        decoder.decode(own, output.subarray(from, from + frameBytes));
      }
    },
  };
}
