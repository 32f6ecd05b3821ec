/** Matrix coefficients between Y'CbCr and R'G'B' (ITU-R BT.601, BT.709, BT.2020 non-constant luminance). */
export type ColourMatrix = 'bt601' | 'bt709' | 'bt2020';

/** Coded 8-bit levels: `limited` is Y 16..235, C 16..240; `full` is 0..255. */
export type ColourRange = 'limited' | 'full';

/** The layout and the meaning of one frame in wire format (planar I420, 8 bit). */
export interface FrameFormat {
  readonly width: number;
  readonly height: number;
  readonly matrix: ColourMatrix;
  readonly range: ColourRange;
}

/** Returns width and height of each chroma plane of an I420 frame: half the luma's, rounded up. */
export function chromaSize(
  width: number,
  height: number,
): { readonly width: number; readonly height: number } {
  return { width: Math.ceil(width / 2), height: Math.ceil(height / 2) };
}

/** Returns the bytes of one I420 frame: the luma plane, then U, then V, without padding between rows. */
export function frameBytes(width: number, height: number): number {
  const chroma = chromaSize(width, height);
  return width * height + 2 * chroma.width * chroma.height;
}
