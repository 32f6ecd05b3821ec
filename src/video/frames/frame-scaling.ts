/** Scaling of frames before the model: to what size, and how. Pure. */
import { turnOf } from '../formats/display-matrix.js';
import { approximated, type Rational, reduced } from '../formats/rational.js';
import type { VideoFacts } from '../source/source-facts.js';

export interface FrameSize {
  readonly width: number;
  readonly height: number;
}

/** The size of the frames that the model gets, as players show them: after the turn of a display matrix. */
export type SizeRequest =
  | { readonly kind: 'at most'; readonly width: number; readonly height: number }
  /** An undefined side follows from the other one and the shape of the frame. */
  | { readonly kind: 'exactly'; readonly width: number | undefined; readonly height: number | undefined };

/** The result of scaling. */
export interface Scaled {
  /** The size as the frames are stored. */
  readonly size: FrameSize;
  readonly sampleAspectRatio: Rational | undefined;
}

/** The largest terms of a sample aspect ratio that every encoder writes as they are: x264's limit. */
const MOST_ASPECT_TERM = 4096;

/**
 * Positions of 4:2:0 chroma samples between luma samples, across and down, in 256ths of their distance.
 * Frames without the tag have those of MPEG-2, H.264 and all that followed.
 */
const SITES: Readonly<Record<string, readonly [number, number]>> = {
  left: [0, 128],
  center: [128, 128],
  topleft: [0, 0],
  top: [128, 0],
  bottomleft: [0, 256],
  bottom: [128, 256],
};

/** Returns how the frames of a video are scaled; undefined if they have the size already. */
export function scaledFrames(
  video: Pick<VideoFacts, 'width' | 'height' | 'displayMatrix' | 'sampleAspectRatio'>,
  request: SizeRequest | undefined,
): Scaled | undefined {
  if (request === undefined) return undefined;
  const { width, height, displayMatrix, sampleAspectRatio: aspect } = video;
  const sideways = displayMatrix !== undefined && turnOf(displayMatrix)?.sideways === true;
  const shown = sideways ? { width: height, height: width } : { width, height };
  const wanted = request.kind === 'at most' ? within(shown, request) : exactly(shown, request);
  const size = sideways ? { width: wanted.height, height: wanted.width } : wanted;
  if (size.width === width && size.height === height) return undefined;
  const keepsShape =
    request.kind === 'at most' || request.width === undefined || request.height === undefined;
  return { size, sampleAspectRatio: keepsShape ? aspect : stretched(video, size) };
}

/**
 * Returns the filter that scales frames in wire format. It names range and chroma positions at both ends, and
 * asks for the same arithmetic on every processor.
 */
export function scaleFilter(
  { width, height }: FrameSize,
  range: 'limited' | 'full',
  chromaLocation: string | undefined,
): string {
  const [across, down] = SITES[chromaLocation ?? 'left'] ?? [0, 128];
  const sites = ['in', 'out'].map((end) => `${end}_h_chr_pos=${across}:${end}_v_chr_pos=${down}`).join(':');
  const flags = 'lanczos+accurate_rnd+full_chroma_int+bitexact';
  return `scale=${width}:${height}:in_range=${range}:out_range=${range}:${sites}:flags=${flags}`;
}

/** Returns the size of a smaller frame within a box: of the same shape, with even sides. */
function within({ width, height }: FrameSize, box: FrameSize): FrameSize {
  if (width <= box.width && height <= box.height) return { width, height };
  const isWide = width * box.height >= height * box.width;
  const most = { width: evenBelow(box.width), height: evenBelow(box.height) };
  return isWide
    ? { width: most.width, height: Math.min(most.height, nearestEven((most.width * height) / width)) }
    : { width: Math.min(most.width, nearestEven((most.height * width) / height)), height: most.height };
}

function exactly(
  shown: FrameSize,
  { width, height }: Extract<SizeRequest, { readonly kind: 'exactly' }>,
): FrameSize {
  return {
    width: width ?? nearestEven(((height ?? shown.height) * shown.width) / shown.height),
    height: height ?? nearestEven(((width ?? shown.width) * shown.height) / shown.width),
  };
}

/** Returns the sample aspect ratio with which stretched frames are shown in the source's shape. */
function stretched(
  {
    width,
    height,
    sampleAspectRatio = { num: 1, den: 1 },
  }: Pick<VideoFacts, 'width' | 'height' | 'sampleAspectRatio'>,
  size: FrameSize,
): Rational | undefined {
  const { num, den } = approximated(sampleAspectRatio, MOST_ASPECT_TERM);
  const exact = reduced({ num: num * width * size.height, den: den * height * size.width });
  return exact.num === exact.den ? undefined : approximated(exact, MOST_ASPECT_TERM);
}

function evenBelow(value: number): number {
  return Math.max(2, value - (value % 2));
}

function nearestEven(value: number): number {
  return Math.max(2, 2 * Math.round(value / 2));
}
