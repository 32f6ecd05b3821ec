import type { Row } from './schema.js';

/** Rows to the bytes of a file. */
export interface RowEncoder {
  /**
   * Takes a row. Returns the next bytes of the file when enough have gathered; they are valid until the next
   * call.
   */
  add(row: Row): Uint8Array | undefined;
  /** Returns the last bytes. */
  end(): Uint8Array;
}

const PIECE_CHARACTERS = 2 ** 16;

/** Makes an encoder of one that turns each row into text. */
export function textEncoder(first: string, textOf: (row: Row) => string): RowEncoder {
  let pieces: string[] = [first];
  let characters = first.length;
  const taken = (): Uint8Array => {
    const bytes = Buffer.from(pieces.join(''));
    pieces = [];
    characters = 0;
    return bytes;
  };
  return {
    add(row) {
      const text = textOf(row);
      pieces.push(text);
      characters += text.length;
      return characters < PIECE_CHARACTERS ? undefined : taken();
    },
    end: taken,
  };
}
