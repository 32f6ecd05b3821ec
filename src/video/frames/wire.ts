/**
 * Decides the format of the frames on the wire, and how the decoder's frames become that. Pure.
 */
import { holdsChroma, PLAIN_CHROMA, sourceChroma, type WireChroma } from '../codecs/chroma.js';
import { EIGHT_BITS, type WireDepth } from '../codecs/depth.js';
import { type ColourTags, MATRICES as MATRIX_NAMES, PRIMARIES, TRANSFERS } from '../formats/colour-names.js';
import type { Container } from '../formats/container.js';
import { turnOf } from '../formats/display-matrix.js';
import {
  type ColourMatrix,
  type ColourRange,
  type FrameFormat,
  type SampleFormat,
  sampleOfDepth,
} from '../formats/frame-format.js';
import type { Rational } from '../formats/rational.js';
import type { DolbyVision, VideoFacts } from '../source/source-facts.js';
import { type FrameSize, type SizeRequest, scaledFrames, scaleFilter } from './frame-scaling.js';

type PixelFormat = SampleFormat['pixelFormats'][keyof SampleFormat['pixelFormats']];

/** The format of the frames on the wire, and how they are made. */
export interface WirePlan {
  readonly format: FrameFormat;
  /** ffmpeg's name of the pixel format: that of full range if the decoder or a filter gives such frames. */
  readonly pixelFormat: PixelFormat;
  /**
   * ffmpeg video filters in order, one per entry, for decoding with `-noautorotate`. They may change the time
   * base (bwdif halves it), but not the frames' times or their number.
   */
  readonly filters: readonly string[];
  /** The tags of the finished video: the source's, as far as they still hold. */
  readonly tags: ColourTags;
  /**
   * The sample aspect ratio of the frames on the wire: the source's, inverted if the frame is rotated by a
   * quarter.
   */
  readonly sampleAspectRatio: Rational | undefined;
  /** The size that the frames would have if they were not scaled; undefined if they are not. */
  readonly unscaled?: FrameSize;
  /** Notes for the user, one line each. */
  readonly notes: readonly string[];
}

/**
 * The properties of the output's `Container` that affect the wire. Without `carriesStereo`, it carries all
 * marks. A table has no container.
 */
export type WireOutput = Pick<Container, 'carriesDisplayMatrix'> &
  Partial<Pick<Container, 'carriesStereo'>> & { readonly isTable?: boolean };

/**
 * Matrix coefficients on the wire, by ffmpeg's names. BT.470BG and SMPTE 170M are BT.601's two rasters. FCC
 * and SMPTE 240M differ from the matrices here by less than a level or two.
 */
const MATRICES: Readonly<Record<string, ColourMatrix>> = {
  bt709: 'bt709',
  smpte240m: 'bt709',
  bt470bg: 'bt601',
  smpte170m: 'bt601',
  fcc: 'bt601',
  bt2020nc: 'bt2020',
  bt2020c: 'bt2020',
};

/** The most that pixels are believed to be wider than high, or higher than wide. */
const MOST_ASPECT = 100;
const RANGES: Readonly<Record<string, ColourRange>> = { tv: 'limited', pc: 'full' };

/**
 * Plans the wire. Untagged video is read as BT.709 from 1280 pixels across or 720 down, otherwise as BT.601,
 * and as limited range: players assume the same. If `output.carriesDisplayMatrix` is false, the frames are
 * rotated as the source's display matrix says. They are scaled to `size`, if given.
 */
export function wirePlan(
  video: VideoFacts,
  output: WireOutput,
  depth: WireDepth = EIGHT_BITS,
  chroma: WireChroma = PLAIN_CHROMA,
  request?: SizeRequest,
): WirePlan {
  const sample = sampleOfDepth(depth.bits, chroma.chroma);
  const colour = colourOf(video);
  const turn =
    output.carriesDisplayMatrix || video.displayMatrix === undefined
      ? undefined
      : turnOf(video.displayMatrix);
  const sideways = turn?.sideways ?? false;
  const ownChroma = hasWireChroma(video, sample) ? video.chromaLocationTag : undefined;
  const own = isSensible(video.sampleAspectRatio) ? video.sampleAspectRatio : undefined;
  const scaled = scaledFrames({ ...video, sampleAspectRatio: own }, request);
  const filters = [
    ...deinterlacer(video),
    ...conversion(video, sample, colour),
    ...(scaled === undefined ? [] : [scaleFilter(scaled.size, colour.range, ownChroma)]),
    ...(turn?.filters ?? []),
  ];
  const sar = scaled === undefined ? own : scaled.sampleAspectRatio;
  const upright = ({ width, height }: FrameSize): FrameSize =>
    sideways ? { width: height, height: width } : { width, height };
  const size = upright(scaled?.size ?? video);
  return {
    format: { ...size, sample, ...colour },
    pixelFormat: pixelFormatOf(video, sample, colour.range),
    filters,
    tags: {
      ...writableTags(video),
      ...(scaled === undefined ? {} : assumedMatrix(video, size, colour.matrix)),
      range: colour.range,
      // Converted and rotated chroma has another location, and tags tell that of 4:2:0 alone.
      chromaLocation: sideways ? undefined : ownChroma,
    },
    sampleAspectRatio: sideways && sar !== undefined ? { num: sar.den, den: sar.num } : sar,
    ...(scaled === undefined ? {} : { unscaled: upright(video) }),
    notes: [
      ...notes(video, output, sample, depth, chroma),
      ...(scaled === undefined ? [] : [scalingNote(upright(video), size)]),
    ],
  };
}

function scalingNote(from: FrameSize, to: FrameSize): string {
  return `The frames are scaled from ${from.width}x${from.height} to ${to.width}x${to.height} before the model (Lanczos).`;
}

/** Returns the matrix of untagged video as a tag, if players would assume another one at this size. */
function assumedMatrix(
  { matrixTag, rgb }: VideoFacts,
  size: FrameSize,
  matrix: ColourMatrix,
): Pick<ColourTags, 'matrix'> | Record<string, never> {
  if (rgb || matrixTag !== undefined || assumedOf(size) === matrix) return {};
  return { matrix: matrix === 'bt709' ? 'bt709' : 'smpte170m' };
}

function assumedOf({ width, height }: FrameSize): ColourMatrix {
  return height >= 720 || width >= 1280 ? 'bt709' : 'bt601';
}

/**
 * Returns the filter that deinterlaces, one output frame per frame. Frames with an interlacing flag decide
 * for themselves: progressive ones pass unchanged. Without flags they would all be taken as top field first.
 */
function deinterlacer({ interlaced }: VideoFacts): readonly string[] {
  if (interlaced === false) return [];
  const which = interlaced === 'flagged' ? 'deint=interlaced' : `parity=${interlaced}`;
  return [`bwdif=mode=send_frame:${which}`];
}

/**
 * Returns whether pixels could have that shape. Damaged and hostile files declare shapes that no container
 * holds.
 */
function isSensible(aspect: Rational | undefined): boolean {
  if (aspect === undefined) return true;
  const ratio = aspect.num / aspect.den;
  return ratio <= MOST_ASPECT && ratio >= 1 / MOST_ASPECT;
}

/**
 * Returns the source's tags that encoders can write. `gbr` stands for planes of green, blue and red: not
 * these.
 */
function writableTags(video: VideoFacts): Pick<ColourTags, 'matrix' | 'primaries' | 'transfer'> {
  const known = (names: readonly string[], tag: string | undefined) =>
    tag !== undefined && names.includes(tag) ? tag : undefined;
  return {
    matrix: video.rgb ? 'bt709' : known(MATRIX_NAMES.slice(1), video.matrixTag),
    primaries: known(PRIMARIES, video.primariesTag),
    transfer: known(TRANSFERS, video.transferTag),
  };
}

function colourOf(video: VideoFacts): { readonly matrix: ColourMatrix; readonly range: ColourRange } {
  if (video.rgb) return { matrix: 'bt709', range: 'limited' };
  const named = video.pixelFormat.startsWith('yuvj') ? 'full' : 'limited';
  return {
    matrix: MATRICES[video.matrixTag ?? ''] ?? assumedOf(video),
    range: RANGES[video.rangeTag ?? ''] ?? named,
  };
}

function pixelFormatOf(
  { pixelFormat }: VideoFacts,
  { pixelFormats: { plain, fullRange } }: SampleFormat,
  range: ColourRange,
): PixelFormat {
  return range === 'full' && pixelFormat.startsWith('yuvj') ? fullRange : plain;
}

/**
 * Returns the filters that convert other pixel formats to the wire's. They name matrix and range at each
 * end, because swscale's guesses differ between versions.
 */
function conversion(
  video: VideoFacts,
  sample: SampleFormat,
  colour: { readonly matrix: ColourMatrix; readonly range: ColourRange },
): readonly string[] {
  const same: readonly string[] = Object.values(sample.pixelFormats);
  if (same.includes(video.pixelFormat)) return [];
  const { matrix, range } = colour;
  // Untagged grey of image codecs is full range, and swscale reads all grey so.
  const from = video.grey && video.rangeTag === undefined ? 'full' : range;
  const input = video.rgb ? '' : `in_color_matrix=${matrix}:in_range=${from}:`;
  return [
    `scale=${input}out_color_matrix=${matrix}:out_range=${range}:flags=bicubic+accurate_rnd+full_chroma_int`,
    `format=${pixelFormatOf(video, sample, range)}`,
  ];
}

function notes(
  video: VideoFacts,
  { carriesDisplayMatrix, carriesStereo = () => true, isTable = false }: WireOutput,
  { bits, subsampling, chroma }: SampleFormat,
  { why = '' }: WireDepth,
  { why: whyChroma = '' }: WireChroma,
): readonly string[] {
  const lines: string[] = [];
  if (video.interlaced === 'flagged') {
    lines.push(
      'The video is interlaced: the frames that are marked so are deinterlaced (bwdif), one output frame per frame.',
    );
  } else if (video.interlaced)
    lines.push('The video is interlaced: it is deinterlaced (bwdif), one output frame per frame.');
  if (video.bitDepth > 8 || bits > 8)
    lines.push(
      `The video has ${video.bitDepth} bits per sample: it is processed and written at ${bits} bits${why}.`,
    );
  if (video.hdr)
    lines.push(
      `The video is HDR (${video.transferTag}): it is processed at ${bits} bits without tone mapping; its colour tags are kept${bits === 8 ? ', its HDR metadata is not' : ''}.`,
    );
  if (video.dynamicHdr !== undefined)
    lines.push(
      `The video has dynamic HDR metadata (${video.dynamicHdr.join(', ')}): it is left out, since it describes the source's frames.`,
    );
  if (video.dolbyVision !== undefined) lines.push(dolbyVisionNote(video.dolbyVision));
  if (video.alpha) lines.push('The video has transparency (alpha): it is dropped.');
  const processed = `processed and written as ${subsampling}${whyChroma}`;
  if (video.rgb) {
    const as = chroma === '420' && whyChroma === '' ? '' : `; it is ${processed}`;
    lines.push(`The video is RGB: it becomes Y'CbCr, BT.709, limited range${as}.`);
  } else if (!holdsChroma(chroma, video))
    lines.push(`The video has finer chroma than ${subsampling} (${video.pixelFormat}): it is ${processed}.`);
  else if (chroma !== '420')
    lines.push(`The video has ${sourceChroma(video)} chroma (${video.pixelFormat}): it is ${processed}.`);
  const { matrixTag } = video;
  if (!video.rgb && matrixTag !== undefined && !Object.hasOwn(MATRICES, matrixTag)) {
    lines.push(
      `The video's colour matrix (${matrixTag}) is unknown: colours are read as ${colourOf(video).matrix}.`,
    );
  }
  if (!isSensible(video.sampleAspectRatio)) {
    const { num, den } = video.sampleAspectRatio ?? { num: 0, den: 0 };
    lines.push(`The video declares a sample aspect ratio of ${num}:${den}: it is left out.`);
  }
  const written = writableTags(video);
  const unwritten = [
    ...(video.rgb || written.matrix === matrixTag ? [] : [`matrix ${matrixTag}`]),
    ...(written.primaries === video.primariesTag ? [] : [`primaries ${video.primariesTag}`]),
    ...(written.transfer === video.transferTag ? [] : [`transfer ${video.transferTag}`]),
  ];
  if (unwritten.length > 0) {
    lines.push(`Colour tags are left out (${unwritten.join(', ')}): encoders cannot write them.`);
  }
  if (video.spherical) {
    lines.push(
      'The video is marked as spherical (360 degrees): the mark is left out, and players will show it flat until a tool for spherical metadata puts it back.',
    );
  }
  if (video.stereoMode !== undefined && !carriesStereo(video.stereoMode)) {
    lines.push(
      `The video is marked as stereo 3D (${video.stereoMode}): this container cannot carry the mark, which is left out; .mkv keeps it.`,
    );
  }
  if (video.displayMatrix !== undefined && isTable) {
    lines.push(
      turnOf(video.displayMatrix) === undefined
        ? `The video is marked to be shown rotated by ${video.rotation} degrees or scaled: the table is of the frames as they are stored.`
        : 'The video is marked to be shown rotated or mirrored: the table is of rotated frames.',
    );
  } else if (video.displayMatrix !== undefined && !carriesDisplayMatrix) {
    lines.push(
      turnOf(video.displayMatrix) === undefined
        ? `The video is marked to be shown rotated by ${video.rotation} degrees or scaled: this container cannot carry the mark, which is left out; .mp4 and .mov keep it.`
        : 'The video is marked to be shown rotated or mirrored: the output cannot carry the mark, so the frames themselves are rotated.',
    );
  }
  return lines;
}

function dolbyVisionNote({ profile, compatible }: DolbyVision): string {
  const video = `The video is Dolby Vision (profile ${profile})`;
  return compatible
    ? `${video}: its base layer is processed as ordinary video; the dynamic metadata and any enhancement layer are left out.`
    : `${video}, whose base layer is not ordinary video: its metadata is left out, and without it colours are wrong. Convert it first.`;
}

function hasWireChroma(
  { rgb, chromaShift }: VideoFacts,
  { chroma, chromaShift: own }: SampleFormat,
): boolean {
  return !rgb && chroma === '420' && chromaShift.x === own.x && chromaShift.y === own.y;
}
