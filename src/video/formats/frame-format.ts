/** Matrix coefficients between Y'CbCr and R'G'B' (ITU-R BT.601, BT.709, BT.2020 non-constant luminance). */
export type ColourMatrix = 'bt601' | 'bt709' | 'bt2020';

/** Coded levels: `limited` is, at 8 bits, Y 16..235, C 16..240; `full` is all codes. */
export type ColourRange = 'limited' | 'full';

/** Chroma beside luma: of every other column and row, of every other column, or of every pixel. */
export const CHROMAS = ['420', '422', '444'] as const;
export type Chroma = (typeof CHROMAS)[number];

interface SampleFacts {
  readonly name: string;
  readonly bits: number;
  readonly chroma: Chroma;
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
    chroma: '420',
    bytesPerSample: 1,
    subsampling: '4:2:0',
    chromaShift: { x: 1, y: 1 },
    pixelFormats: { plain: 'yuv420p', fullRange: 'yuvj420p' },
  },
  i010: {
    name: 'I010',
    bits: 10,
    chroma: '420',
    bytesPerSample: 2,
    subsampling: '4:2:0',
    chromaShift: { x: 1, y: 1 },
    pixelFormats: { plain: 'yuv420p10le', fullRange: 'yuv420p10le' },
  },
  i012: {
    name: 'I012',
    bits: 12,
    chroma: '420',
    bytesPerSample: 2,
    subsampling: '4:2:0',
    chromaShift: { x: 1, y: 1 },
    pixelFormats: { plain: 'yuv420p12le', fullRange: 'yuv420p12le' },
  },
  i422: {
    name: 'I422',
    bits: 8,
    chroma: '422',
    bytesPerSample: 1,
    subsampling: '4:2:2',
    chromaShift: { x: 1, y: 0 },
    pixelFormats: { plain: 'yuv422p', fullRange: 'yuvj422p' },
  },
  i210: {
    name: 'I210',
    bits: 10,
    chroma: '422',
    bytesPerSample: 2,
    subsampling: '4:2:2',
    chromaShift: { x: 1, y: 0 },
    pixelFormats: { plain: 'yuv422p10le', fullRange: 'yuv422p10le' },
  },
  i212: {
    name: 'I212',
    bits: 12,
    chroma: '422',
    bytesPerSample: 2,
    subsampling: '4:2:2',
    chromaShift: { x: 1, y: 0 },
    pixelFormats: { plain: 'yuv422p12le', fullRange: 'yuv422p12le' },
  },
  i444: {
    name: 'I444',
    bits: 8,
    chroma: '444',
    bytesPerSample: 1,
    subsampling: '4:4:4',
    chromaShift: { x: 0, y: 0 },
    pixelFormats: { plain: 'yuv444p', fullRange: 'yuvj444p' },
  },
  i410: {
    name: 'I410',
    bits: 10,
    chroma: '444',
    bytesPerSample: 2,
    subsampling: '4:4:4',
    chromaShift: { x: 0, y: 0 },
    pixelFormats: { plain: 'yuv444p10le', fullRange: 'yuv444p10le' },
  },
  i412: {
    name: 'I412',
    bits: 12,
    chroma: '444',
    bytesPerSample: 2,
    subsampling: '4:4:4',
    chromaShift: { x: 0, y: 0 },
    pixelFormats: { plain: 'yuv444p12le', fullRange: 'yuv444p12le' },
  },
} as const satisfies Readonly<Record<string, SampleFacts>>;

/** How the samples of a frame are stored: of more than 8 bits as little-endian words. */
export type SampleFormat = (typeof SAMPLE_FORMATS)[keyof typeof SAMPLE_FORMATS];

/** 8-bit 4:2:0. */
export const I420 = SAMPLE_FORMATS.i420;

/** 10-bit and 12-bit 4:2:0, in the low bits of 16. */
export const I010 = SAMPLE_FORMATS.i010;
export const I012 = SAMPLE_FORMATS.i012;

/** 4:2:2 and 4:4:4 of 8 bits. */
export const I422 = SAMPLE_FORMATS.i422;
export const I444 = SAMPLE_FORMATS.i444;

/** Bits per sample. */
export type Depth = SampleFormat['bits'];

/** The samples of some frames: all machines with ranks are little-endian. */
export type Samples = Uint8Array | Uint16Array;

/** The layout of one frame: the luma plane, then U, then V, without padding between rows. */
export interface FrameLayout {
  readonly width: number;
  readonly height: number;
  readonly sample: SampleFormat;
}

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

/** Returns the number of samples of one frame. */
export function frameSamples(frame: FrameLayout): number {
  const chroma = chromaSize(frame);
  return frame.width * frame.height + 2 * chroma.width * chroma.height;
}

/** Returns the bytes of one frame. */
export function frameBytes(frame: FrameLayout): number {
  return frame.sample.bytesPerSample * frameSamples(frame);
}

/** Returns the format with so many bits per sample and such chroma. */
export function sampleOfDepth(depth: Depth, chroma: Chroma = '420'): SampleFormat {
  const found = Object.values(SAMPLE_FORMATS).find((one) => one.bits === depth && one.chroma === chroma);
  if (found === undefined) throw new RangeError(`no format has ${depth} bits per sample and ${chroma}`);
  return found;
}

/** Returns a kind of chroma as people write it, e.g. 4:2:2. */
export function chromaText(chroma: Chroma): string {
  return [...chroma].join(':');
}

/** Returns whole frames as samples. They share its memory if it is aligned to them. */
export function samplesOf(bytes: Uint8Array, { bytesPerSample }: SampleFormat): Samples {
  if (bytesPerSample === 1) return bytes;
  const aligned = bytes.byteOffset % bytesPerSample === 0 ? bytes : bytes.slice();
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.length / bytesPerSample);
}

/** Returns the codes of a sample that one of 8-bit codes becomes: a power of two. */
export function codesPerLevel({ bits }: SampleFormat): number {
  return 2 ** (bits - 8);
}

/** Returns the largest code of a sample. */
export function largestCode({ bits }: SampleFormat): number {
  return 2 ** bits - 1;
}

/** Returns the code of chroma in greys, in either range. */
export function neutralChroma({ bits }: SampleFormat): number {
  return 2 ** (bits - 1);
}
