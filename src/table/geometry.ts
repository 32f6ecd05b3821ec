/**
 * From pixels of the model's input to pixels of the source's frames, on each axis:
 * source = (model - offset) * scale.
 */
export interface Geometry {
  readonly modelWidth: number;
  readonly modelHeight: number;
  readonly scaleX: number;
  readonly scaleY: number;
  readonly offsetX: number;
  readonly offsetY: number;
  readonly sourceWidth: number;
  readonly sourceHeight: number;
}

/** Four numbers: left, top, right, bottom. */
export type Corners = Float64Array;

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export function boxOf(corners: Corners): Box {
  const [left = Number.NaN, top = Number.NaN, right = Number.NaN, bottom = Number.NaN] = corners;
  return { left, top, right, bottom };
}

/**
 * Turns corners in pixels of the model's input to pixels of the source, clipped to its frame. Returns whether
 * anything is left, in float32: not of boxes outside the frame, inside out, or with NaN.
 */
export function toSource(corners: Corners, to: Geometry): boolean {
  const left = clipped(((corners[0] ?? 0) - to.offsetX) * to.scaleX, to.sourceWidth);
  const top = clipped(((corners[1] ?? 0) - to.offsetY) * to.scaleY, to.sourceHeight);
  const right = clipped(((corners[2] ?? 0) - to.offsetX) * to.scaleX, to.sourceWidth);
  const bottom = clipped(((corners[3] ?? 0) - to.offsetY) * to.scaleY, to.sourceHeight);
  corners[0] = left;
  corners[1] = top;
  corners[2] = right;
  corners[3] = bottom;
  return Math.fround(right - left) > 0 && Math.fround(bottom - top) > 0;
}

function clipped(value: number, most: number): number {
  return Math.min(Math.max(value, 0), most);
}
