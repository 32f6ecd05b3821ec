/** A digest of a table's cells, whichever file they are in. */
import { createHash } from 'node:crypto';
import { isNumbers, isNumberType, type NumberType, numberBytes } from './numbers.js';
import { bytesOf } from './packed.js';
import type { Cell, Column, Row } from './schema.js';

/** What a table holds. */
export interface TableContents {
  readonly columns: readonly Column[];
  readonly rows: number;
  /** SHA-256 of the frame column, in hexadecimal. */
  readonly frames: string;
  /** SHA-256 of all cells. */
  readonly cells: string;
}

export interface TableDigest {
  add(row: Row): void;
  contents(): TableContents;
}

const PIECE_BYTES = 2 ** 16;
/** Stands for null: no text or list has this length. */
const NULL = -1;

/**
 * Starts a digest of rows with these columns. All NaN are the same; with `finiteOnly`, for files that cannot
 * hold them, infinities are NaN too.
 */
export function tableDigest(columns: readonly Column[], finiteOnly: boolean): TableDigest {
  const cells = hashOfPieces();
  const frames = hashOfPieces();
  const isPlain = (value: number): boolean => Number.isFinite(value) || (!finiteOnly && !Number.isNaN(value));
  const plain = (value: number): number => (isPlain(value) ? value : Number.NaN);
  const frame = columns.findIndex(({ name }) => name === 'frame');
  let rows = 0;

  /** Text has one word for what is not there and for what is no number. */
  const isNull = ({ nullable }: Column, cell: Cell): boolean =>
    cell === null || (finiteOnly && nullable === true && typeof cell === 'number' && !isPlain(cell));
  const addCell = (column: Column, cell: Cell): void => {
    const { type } = column;
    if (cell === null || isNull(column, cell)) {
      cells.number('int32', NULL);
    } else if (typeof cell === 'string') {
      const text = Buffer.from(cell);
      cells.number('int32', text.length);
      cells.bytes(text);
    } else if (cell instanceof Float32Array || cell instanceof Float64Array) {
      cells.number('int32', cell.length);
      cells.bytes(bytesOf(cell.every(isPlain) ? cell : cell.map(plain)));
    } else if (isNumbers(cell)) {
      cells.number('int32', cell.length);
      cells.bytes(bytesOf(cell));
    } else if (isNumberType(type)) {
      cells.number(type, typeof cell === 'bigint' ? cell : plain(cell));
    }
  };

  return {
    add(row) {
      rows += 1;
      columns.forEach((column, at) => {
        addCell(column, row[at] ?? null);
      });
      if (frame >= 0) frames.number('int64', BigInt(Number(row[frame])));
    },
    contents: () => ({ columns, rows, frames: frames.digest(), cells: cells.digest() }),
  };
}

/** SHA-256 of many small things: each call of a hash costs more than the bytes of a cell. */
function hashOfPieces() {
  const hash = createHash('sha256');
  const piece = Buffer.alloc(PIECE_BYTES);
  let used = 0;
  const flush = (): void => {
    hash.update(piece.subarray(0, used));
    used = 0;
  };
  return {
    number(type: NumberType, value: number | bigint): void {
      const size = numberBytes(type);
      if (used + size > PIECE_BYTES) flush();
      if (type === 'int64') piece.writeBigInt64LE(BigInt(value), used);
      else if (type === 'int32') piece.writeInt32LE(Number(value), used);
      else if (type === 'float32') piece.writeFloatLE(Number(value), used);
      else piece.writeDoubleLE(Number(value), used);
      used += size;
    },
    bytes(bytes: Uint8Array): void {
      if (used + bytes.length > PIECE_BYTES) flush();
      if (bytes.length > PIECE_BYTES) {
        hash.update(bytes);
        return;
      }
      piece.set(bytes, used);
      used += bytes.length;
    },
    digest(): string {
      flush();
      return hash.digest('hex');
    },
  };
}
