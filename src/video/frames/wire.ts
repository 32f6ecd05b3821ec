/** Decides what the frames on the wire are (planar I420, 8 bit) and how the decoder's frames become them. Pure. */
import { type ColourTags, MATRICES as MATRIX_NAMES, PRIMARIES, TRANSFERS } from '../formats/colour-names.js';
import type { Container } from '../formats/container.js';
import { turnOf } from '../formats/display-matrix.js';
import type { ColourMatrix, ColourRange, FrameFormat } from '../formats/frame-format.js';
import type { Rational } from '../formats/rational.js';
import type { DolbyVision, VideoFacts } from '../source/source-facts.js';

/** What the frames on the wire are. */
export interface WirePlan {
  readonly format: FrameFormat;
  /** `yuvj420p` is ffmpeg's name for full range, where the decoder or a filter gives frames of that name. */
  readonly pixelFormat: 'yuv420p' | 'yuvj420p';
  /**
   * ffmpeg video filters in order, one an entry, for `-noautorotate` decoding. They may change the time base (bwdif
   * halves it), but neither a frame's time nor the number of frames.
   */
  readonly filters: readonly string[];
  /** What the finished video is to be tagged with: as the source is, as far as it still holds. */
  readonly tags: ColourTags;
  /** Of the frames on the wire: the source's, inverted where the frame is turned on its side. */
  readonly sampleAspectRatio: Rational | undefined;
  /** What the user should know, one line each. */
  readonly notes: readonly string[];
}

/** What of the output's `Container` decides about the wire; a container that is not said to carry stereo marks does. */
export type WireOutput = Pick<Container, 'carriesDisplayMatrix'> & Partial<Pick<Container, 'carriesStereo'>>;

/** ffmpeg's names of matrix coefficients, as the wire's. BT.470BG and SMPTE 170M are BT.601's two rasters; FCC and SMPTE 240M differ from these by less than a level or two. */
const MATRICES: Readonly<Record<string, ColourMatrix>> = {
  bt709: 'bt709',
  smpte240m: 'bt709',
  bt470bg: 'bt601',
  smpte170m: 'bt601',
  fcc: 'bt601',
  bt2020nc: 'bt2020',
  bt2020c: 'bt2020',
};

/** Times that pixels are wider than high, or higher than wide. */
const MOST_ASPECT = 100;
const RANGES: Readonly<Record<string, ColourRange>> = { tv: 'limited', pc: 'full' };

/**
 * Plans the wire. Untagged video is taken as BT.709 from 1280 pixels across or 720 down and as BT.601 below, which is
 * what players assume, and as limited range. `output.carriesDisplayMatrix` is the container's (`Container`): where it
 * is false, the frames are turned as the source's display matrix says.
 */
export function wirePlan(video: VideoFacts, output: WireOutput): WirePlan {
  const colour = colourOf(video);
  const turn =
    output.carriesDisplayMatrix || video.displayMatrix === undefined
      ? undefined
      : turnOf(video.displayMatrix);
  const sideways = turn?.sideways ?? false;
  const pixelFormat =
    colour.range === 'full' && video.pixelFormat.startsWith('yuvj') ? 'yuvj420p' : 'yuv420p';
  const filters = [...deinterlacer(video), ...conversion(video, colour), ...(turn?.filters ?? [])];
  const sar = isSensible(video.sampleAspectRatio) ? video.sampleAspectRatio : undefined;
  return {
    format: {
      width: sideways ? video.height : video.width,
      height: sideways ? video.width : video.height,
      ...colour,
    },
    pixelFormat,
    filters,
    tags: {
      ...writableTags(video),
      range: colour.range,
      // Converted and turned chroma lies elsewhere.
      chromaLocation: is420(video) && !sideways ? video.chromaLocationTag : undefined,
    },
    sampleAspectRatio: sideways && sar !== undefined ? { num: sar.den, den: sar.num } : sar,
    notes: notes(video, output),
  };
}

/**
 * One frame for each frame. Frames that say what they are decide for themselves: those that are progressive pass as they
 * are. Frames that say nothing would be taken as top field first.
 */
function deinterlacer({ interlaced }: VideoFacts): readonly string[] {
  if (interlaced === false) return [];
  const which = interlaced === 'flagged' ? 'deint=interlaced' : `parity=${interlaced}`;
  return [`bwdif=mode=send_frame:${which}`];
}

/** Whether pixels could have that shape: damaged and hostile files declare what no container carries on. */
function isSensible(aspect: Rational | undefined): boolean {
  if (aspect === undefined) return true;
  const ratio = aspect.num / aspect.den;
  return ratio <= MOST_ASPECT && ratio >= 1 / MOST_ASPECT;
}

/** The source's tags that encoders can write: `gbr` says that the planes are green, blue and red, which these are not. */
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
  const assumed = video.height >= 720 || video.width >= 1280 ? 'bt709' : 'bt601';
  const named = video.pixelFormat.startsWith('yuvj') ? 'full' : 'limited';
  return {
    matrix: MATRICES[video.matrixTag ?? ''] ?? assumed,
    range: RANGES[video.rangeTag ?? ''] ?? named,
  };
}

/** The filter that brings other pixel formats to 4:2:0 at 8 bits, each end's matrix and range said outright: swscale's guesses differ between versions. */
function conversion(
  video: VideoFacts,
  colour: { readonly matrix: ColourMatrix; readonly range: ColourRange },
): readonly string[] {
  if (/^yuvj?420p$/.test(video.pixelFormat)) return [];
  const { matrix, range } = colour;
  // Untagged grey from still-picture codecs is full range; swscale takes all grey so.
  const from = video.grey && video.rangeTag === undefined ? 'full' : range;
  const input = video.rgb ? '' : `in_color_matrix=${matrix}:in_range=${from}:`;
  const format = range === 'full' && video.pixelFormat.startsWith('yuvj') ? 'yuvj420p' : 'yuv420p';
  return [
    `scale=${input}out_color_matrix=${matrix}:out_range=${range}:flags=bicubic+accurate_rnd+full_chroma_int`,
    `format=${format}`,
  ];
}

function notes(
  video: VideoFacts,
  { carriesDisplayMatrix, carriesStereo = () => true }: WireOutput,
): readonly string[] {
  const lines: string[] = [];
  if (video.interlaced === 'flagged') {
    lines.push(
      'The video is interlaced: the frames that are marked so are deinterlaced (bwdif), one frame for each frame.',
    );
  } else if (video.interlaced)
    lines.push('The video is interlaced: it is deinterlaced (bwdif), one frame for each frame.');
  if (video.bitDepth > 8)
    lines.push(`The video has ${video.bitDepth} bits a sample: it is processed and written at 8 bits.`);
  if (video.hdr)
    lines.push(
      `The video is HDR (${video.transferTag}): it is processed at 8 bits as it stands; its colour tags are kept, its HDR metadata is not.`,
    );
  if (video.dolbyVision !== undefined) lines.push(dolbyVisionNote(video.dolbyVision));
  if (video.alpha) lines.push('The video has transparency (alpha): it is dropped.');
  if (video.rgb) lines.push("The video is RGB: it becomes Y'CbCr, BT.709, limited range.");
  else if (!video.grey && (video.chromaShift.x < 1 || video.chromaShift.y < 1)) {
    lines.push(
      `The video has finer chroma than 4:2:0 (${video.pixelFormat}): it is processed and written as 4:2:0.`,
    );
  }
  const { matrixTag } = video;
  if (!video.rgb && matrixTag !== undefined && !Object.hasOwn(MATRICES, matrixTag)) {
    lines.push(
      `The video's colour matrix (${matrixTag}) is not known here: colours are taken as ${colourOf(video).matrix}.`,
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
      `The video is marked as stereo 3D (${video.stereoMode}): this container cannot say so here and the mark is left out; .mkv keeps it.`,
    );
  }
  if (video.displayMatrix !== undefined && !carriesDisplayMatrix) {
    lines.push(
      turnOf(video.displayMatrix) === undefined
        ? `The video is marked to be shown turned by ${video.rotation} degrees or scaled: this container cannot say so and it is left out; .mp4 and .mov keep it.`
        : 'The video is marked to be shown turned or mirrored: this container cannot say so, and the frames themselves are turned.',
    );
  }
  return lines;
}

function dolbyVisionNote({ profile, compatible }: DolbyVision): string {
  const video = `The video is Dolby Vision (profile ${profile})`;
  return compatible
    ? `${video}: its base layer is processed as ordinary video; the dynamic metadata and any enhancement layer are left out.`
    : `${video}, whose base layer is no ordinary video: without its metadata, which is left out, colours will be wrong. Convert it first.`;
}

function is420(video: VideoFacts): boolean {
  return !video.rgb && video.chromaShift.x === 1 && video.chromaShift.y === 1;
}
