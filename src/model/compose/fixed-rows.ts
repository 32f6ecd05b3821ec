/** Gives an output of any number of rows a fixed one, so that all shapes outside the network are static. */
import type { NumberType } from '../../table/numbers.js';
import type { GraphBuilder } from '../graph/graph-builder.js';
import type { OpenShape } from '../ports/open-rows.js';

export interface FixedRows {
  /** [batch, most, ...row] of the type asked for: the first rows, and zeros where there are fewer. */
  readonly tensor: string;
  /** Float32 [batch, 1]: the number of rows that there were. */
  readonly count: string;
}

/** Adds the nodes that cut or pad `value` to `most` rows. */
export function fixedRows(
  builder: GraphBuilder,
  value: string,
  { axis, row }: OpenShape,
  most: number,
  batch: number,
  type: NumberType,
): FixedRows {
  const numbers = builder.cast(value, type);
  const outer = axis === 0 ? [] : [batch];
  const zeros = builder.cast(builder.zeroBytes([...outer, most, ...row]), type);
  const cut = builder.slice(builder.concat([numbers, zeros], axis), axis, 0, most);
  const found = builder.gather(builder.node('Shape', [value]), 0, [axis]);
  const one = builder.reshape(builder.cast(found, 'float32'), [1, 1]);
  return {
    tensor: builder.reshape(cut, [batch, most, ...row]),
    count: batch === 1 ? one : builder.concat(Array<string>(batch).fill(one), 0),
  };
}
