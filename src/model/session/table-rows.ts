/** From the tensors of a session's run to the packed rows of its tables. */
import type { NativeSession } from '../../system/native.js';
import { isRefusal } from '../../system/refusal.js';
import { type TableDecoder, tableDecoder } from '../../table/decoder.js';
import { type NumberType, numberBytes, numbersIn } from '../../table/numbers.js';
import { elements } from '../../table/shapes.js';
import type { OneTable, TablePlan } from '../compose/table-ends.js';
import { allocateBuffer } from './session-errors.js';

export interface TableRows {
  /** Memory for the outputs of the session after the first. */
  readonly tensors: readonly Uint8Array[];
  /** Packs the rows of the first `frames` frames of a batch into their rows of the result. */
  fill(output: Uint8Array, frames: number): void;
}

/** Allocates the tensors of tables for a session. `rowBytes` are those of a row of the result. */
export function openRows(
  session: NativeSession,
  plan: TablePlan,
  batch: number,
  rowBytes: number,
): TableRows {
  const tables = plan.tables.map((table) => openTable(table, batch, session));
  const offset = rowBytes - 1 - plan.frameBytes;
  return {
    tensors: tables.flatMap(({ tensors }) => tensors.map(({ bytes }) => bytes)),
    fill(output, frames) {
      for (let frame = 0; frame < frames; frame++) {
        let from = frame * rowBytes + offset;
        for (const { decoder, tensors } of tables) {
          const own = tensors.map(({ bytes, type, size }) =>
            numbersIn(type, bytes.buffer, bytes.byteOffset + frame * size * numberBytes(type), size),
          );
          decoder.decode(own, output.subarray(from, from + decoder.frameBytes));
          from += decoder.frameBytes;
        }
      }
    },
  };
}

/** A table's decoder, and the memory of its tensors. */
interface OpenTable {
  readonly decoder: TableDecoder;
  readonly tensors: readonly {
    readonly bytes: Uint8Array;
    readonly type: NumberType;
    /** Numbers of a frame. */
    readonly size: number;
  }[];
}

function openTable(table: OneTable, batch: number, session: NativeSession): OpenTable {
  const { spec, shapes, types, geometry, open } = table;
  const decoder = tableDecoder(spec, shapes, geometry, { types, open });
  if (isRefusal(decoder)) throw new Error(decoder.refusal);
  const sizes = [...shapes.map(elements), ...(open === undefined ? [] : [open.tensors])];
  const tensors = sizes.map((size, at) => {
    const type = types[at] ?? 'float32';
    return { type, size, bytes: allocateBuffer(batch * size * numberBytes(type), session) };
  });
  return { decoder, tensors };
}
