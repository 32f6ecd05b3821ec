/** The sizes of a tensor's axes. */
export type Shape = readonly number[];

export function elements(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Returns the shape without its leading axes of size 1, but with two axes at least if it has them. */
export function withoutOnes(shape: Shape): Shape {
  return shape.length > 2 && shape[0] === 1 ? withoutOnes(shape.slice(1)) : shape;
}

/** Returns shapes as text: `[84, 8400] and [300]`. */
export function shapeText(shapes: readonly Shape[]): string {
  return shapes.map((shape) => `[${shape.join(', ')}]`).join(' and ') || 'none';
}
