/** The output containers and what they can hold. streams.ts asks ffmpeg which codecs they take. */
import { JobError } from '../../system/errors.js';

/** The containers an output can have. */
export type ContainerName = 'mp4' | 'mov' | 'mkv' | 'webm' | 'images';

/** An output container, as muxing and the planning of streams need it. */
export interface Container {
  readonly name: ContainerName;
  /** Media type of its files. */
  readonly contentType: string;
  /** ffmpeg's muxer (`-f`). */
  readonly muxer: string;
  /** An ISO base media file (QuickTime's family): boxes, a timescale for each track. Otherwise Matroska. */
  readonly isoMedia: boolean;
  /** True if a track can carry a display matrix; otherwise rotation is applied to the pixels. */
  readonly carriesDisplayMatrix: boolean;
  /**
   * Returns whether a track can declare that its frames hold two views arranged as `mode` (Matroska's names).
   */
  readonly carriesStereo: (mode: string) => boolean;
  /** The way to attach cover art and files (fonts), if any. */
  readonly coverArt: 'stream' | 'attachment' | 'none';
  /** ffmpeg's encoders for streams that cannot be copied, best first. */
  readonly textSubtitles: readonly string[];
  readonly audioFallback: { readonly encoder: string; readonly bitRate: string; readonly label: string };
}

const AAC = { encoder: 'aac', bitRate: '256k', label: 'AAC, 256 kbit/s' } as const;
const OPUS = { encoder: 'libopus', bitRate: '192k', label: 'Opus, 192 kbit/s' } as const;

/** WebM's guidelines omit other modes, and ffmpeg's muxer refuses them. */
const WEBM_STEREO = ['left_right', 'right_left', 'top_bottom', 'bottom_top'];
const NO_STEREO = (): boolean => false;

const CONTAINERS: Readonly<Record<Exclude<ContainerName, 'images'>, Container>> = {
  mp4: {
    name: 'mp4',
    contentType: 'video/mp4',
    muxer: 'mp4',
    isoMedia: true,
    carriesDisplayMatrix: true,
    carriesStereo: NO_STEREO,
    coverArt: 'stream',
    textSubtitles: ['mov_text'],
    audioFallback: AAC,
  },
  mov: {
    name: 'mov',
    contentType: 'video/quicktime',
    muxer: 'mov',
    isoMedia: true,
    carriesDisplayMatrix: true,
    carriesStereo: NO_STEREO,
    coverArt: 'none',
    textSubtitles: ['mov_text'],
    audioFallback: AAC,
  },
  mkv: {
    name: 'mkv',
    contentType: 'video/x-matroska',
    muxer: 'matroska',
    isoMedia: false,
    carriesDisplayMatrix: false,
    carriesStereo: () => true,
    coverArt: 'attachment',
    textSubtitles: ['srt', 'ass'],
    audioFallback: AAC,
  },
  webm: {
    name: 'webm',
    contentType: 'video/webm',
    muxer: 'webm',
    isoMedia: false,
    carriesDisplayMatrix: false,
    carriesStereo: (mode) => WEBM_STEREO.includes(mode),
    coverArt: 'none',
    textSubtitles: ['webvtt'],
    audioFallback: OPUS,
  },
};

/** In place of a container, where every frame becomes a picture of its own. */
export const IMAGES: Container = {
  name: 'images',
  contentType: 'application/octet-stream',
  muxer: 'image2',
  isoMedia: false,
  carriesDisplayMatrix: false,
  carriesStereo: NO_STEREO,
  coverArt: 'none',
  textSubtitles: [],
  audioFallback: AAC,
};

const ALIASES: Readonly<Record<string, Exclude<ContainerName, 'images'>>> = {
  mp4: 'mp4',
  m4v: 'mp4',
  mov: 'mov',
  qt: 'mov',
  mkv: 'mkv',
  matroska: 'mkv',
  webm: 'webm',
};

/**
 * Returns the container of the output `outputName` (a path or the name of a blob), from `format` if given and
 * otherwise from the name's extension.
 *
 * @throws {JobError} usage: when neither names one of the four.
 */
export function containerFor(outputName: string, format?: string): Container {
  const asked = (format ?? extensionOf(outputName)).toLowerCase();
  const name = Object.hasOwn(ALIASES, asked) ? ALIASES[asked] : undefined;
  if (name === undefined) {
    const what =
      format !== undefined
        ? `there is no output format "${format}"`
        : asked === ''
          ? `the output "${outputName}" has no extension to tell its container by`
          : `".${asked}" (of "${outputName}") is not a container that can be written`;
    throw new JobError('usage', what, {
      hint: 'Name the output .mp4, .mov, .mkv or .webm, or give --format; a table .parquet, .jsonl or .csv.',
    });
  }
  return CONTAINERS[name];
}

/** Returns the container that a name's extension tells, undefined where it tells none that can be written. */
export function containerNamed(name: string): Container | undefined {
  const extension = extensionOf(name).toLowerCase();
  const own = Object.hasOwn(ALIASES, extension) ? ALIASES[extension] : undefined;
  return own === undefined ? undefined : CONTAINERS[own];
}

function extensionOf(name: string): string {
  const file = name.slice(name.lastIndexOf('/') + 1);
  const dot = file.lastIndexOf('.');
  return dot <= 0 ? '' : file.slice(dot + 1);
}
