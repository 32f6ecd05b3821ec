/** Matrix coefficients between Y'CbCr and R'G'B' (ITU-R BT.601, BT.709, BT.2020 non-constant luminance). */
export type ColourMatrix = 'bt601' | 'bt709' | 'bt2020';

/** Coded levels: `limited` is, at 8 bits, Y 16..235, C 16..240; `full` is all codes. */
export type ColourRange = 'limited' | 'full';

interface SampleFacts {
  readonly name: string;
  readonly bits: number;
  readonly bytesPerSample: number;
  /** How chroma is subsampled, in words, and how often its width and height are halved, rounded up. */
  readonly subsampling: string;
  readonly chromaShift: { readonly x: number; readonly y: number };
  /** FFmpeg's names of the pixel format. Some decoders give full range under a name of its own. */
  readonly pixelFormats: { readonly plain: string; readonly fullRange: string };
}

const SAMPLE_FORMATS = {
  i420: {
    name: 'I420',
    bits: 8,
    bytesPerSample: 1,
    subsampling: '4:2:0',
    chromaShift: { x: 1, y: 1 },
    pixelFormats: { plain: 'yuv420p', fullRange: 'yuvj420p' },
  },
} as const satisfies Readonly<Record<string, SampleFacts>>;

/** How the samples of a frame are stored. */
export type SampleFormat = (typeof SAMPLE_FORMATS)[keyof typeof SAMPLE_FORMATS];

/** 8-bit 4:2:0. */
export const I420 = SAMPLE_FORMATS.i420;

/** The layout of one frame: the luma plane, then U, then V, without padding between rows. */
export interface FrameLayout {
  readonly width: number;
  readonly height: number;
  readonly sample: SampleFormat;
}

/**
 * The layout of a frame for code that handles I420 alone. Once there is another format, the compiler points
 * at every place that gives such code any frame.
 */
export type I420Layout = FrameLayout & { readonly sample: typeof I420 };

/** The layout and the meaning of one frame in wire format. */
export interface FrameFormat extends FrameLayout {
  readonly matrix: ColourMatrix;
  readonly range: ColourRange;
}

/** Returns width and height of each chroma plane. */
export function chromaSize({ width, height, sample }: FrameLayout): {
  readonly width: number;
  readonly height: number;
} {
  const { x, y } = sample.chromaShift;
  return { width: Math.ceil(width / 2 ** x), height: Math.ceil(height / 2 ** y) };
}

/** Returns the bytes of one frame. */
export function frameBytes(frame: FrameLayout): number {
  const chroma = chromaSize(frame);
  return frame.sample.bytesPerSample * (frame.width * frame.height + 2 * chroma.width * chroma.height);
}

/** Returns the largest code of a sample. */
export function largestCode({ bits }: SampleFormat): number {
  return 2 ** bits - 1;
}

/** Returns the code of chroma in greys, in either range. */
export function neutralChroma({ bits }: SampleFormat): number {
  return 2 ** (bits - 1);
}
