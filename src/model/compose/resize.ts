import type { GraphBuilder } from '../graph/graph-builder.js';
import type { Size } from '../load/network.js';

/**
 * Resizes images, float [N, C, from.height, from.width], with a triangle filter, which is wider when
 * downscaling (against aliasing). Uses two products with constant matrices: every operator set and provider
 * has those.
 */
export function resizePixels(builder: GraphBuilder, pixels: string, from: Size, to: Size): string {
  const columns =
    from.width === to.width
      ? pixels
      : builder.node('MatMul', [
          pixels,
          builder.floats([from.width, to.width], transposed(triangleWeights(from.width, to.width))),
        ]);
  return from.height === to.height
    ? columns
    : builder.node('MatMul', [
        builder.floats([to.height, from.height], triangleWeights(from.height, to.height).flat()),
        columns,
      ]);
}

/**
 * Returns, in row i, the weights of the `from` samples in sample i of `to`; rows sum to 1. Centres: (i + 0.5)
 * / side.
 */
function triangleWeights(from: number, to: number): number[][] {
  const ratio = from / to;
  const reach = Math.max(1, ratio);
  return Array.from({ length: to }, (_, at) => {
    const centre = (at + 0.5) * ratio - 0.5;
    const row = new Array<number>(from).fill(0);
    for (let tap = Math.ceil(centre - reach); tap <= Math.floor(centre + reach); tap++) {
      const inside = Math.min(from - 1, Math.max(0, tap));
      row[inside] = (row[inside] ?? 0) + 1 - Math.abs(tap - centre) / reach;
    }
    const sum = row.reduce((total, weight) => total + weight, 0);
    return row.map((weight) => weight / sum);
  });
}

function transposed(rows: readonly (readonly number[])[]): number[] {
  return (rows[0] ?? []).flatMap((_, column) => rows.map((row) => row[column] ?? 0));
}
