/** Clips of a second with audio in every codec that this ffmpeg can make, in the containers that take it. */
import { askFfmpeg, runFfprobe } from '../../src/video/ffmpeg/ffmpeg.js';
import { ffmpegClip } from '../fixtures/clips.js';

/** A clip of the matrix. */
export interface MatrixClip {
  readonly name: string;
  readonly path: string;
}

/** The containers, each with a video codec that it takes, the likeliest first. */
const CONTAINERS: Readonly<Record<string, readonly string[]>> = {
  mkv: ['-c:v', 'mpeg4'],
  mov: ['-c:v', 'mpeg4'],
  mp4: ['-c:v', 'mpeg4'],
  ts: ['-c:v', 'mpeg2video'],
  m2ts: ['-c:v', 'mpeg2video'],
  vob: ['-c:v', 'mpeg2video'],
  avi: ['-c:v', 'mpeg4'],
  wmv: ['-c:v', 'wmv2'],
  flv: ['-c:v', 'flv1'],
  ogg: ['-c:v', 'libtheora'],
  '3gp': ['-c:v', 'mpeg4'],
  mxf: ['-c:v', 'mpeg2video'],
  nut: ['-c:v', 'mpeg4'],
  wtv: ['-c:v', 'mpeg2video'],
  gxf: ['-s', '720x576', '-c:v', 'mpeg2video', '-pix_fmt', 'yuv422p'],
  rm: ['-c:v', 'rv10'],
};

/** What encoders take, the likeliest first: most take any rate and layout. */
const SHAPES = [
  ['-ar', '48000', '-ac', '2'],
  ['-ar', '44100', '-ac', '2'],
  ['-ar', '22050', '-ac', '1'],
  ['-ar', '16000', '-ac', '1'],
  ['-ar', '8000', '-ac', '1'],
  ['-ar', '96000', '-ac', '6'],
] as const;

/** Variants that are no encoder of their own. */
const VARIANTS: readonly (readonly [name: string, extension: string, options: readonly string[]])[] = [
  ['aac-latm', 'ts', ['-c:a', 'aac', '-mpegts_flags', 'latm']],
  ['aac-mono-8k', 'mkv', ['-c:a', 'aac', '-ar', '8000', '-ac', '1']],
  ['ac3-5.1', 'ts', ['-c:a', 'ac3', '-ac', '6']],
  ['opus-5.1', 'ts', ['-c:a', 'libopus', '-ac', '6', '-mapping_family', '1']],
  ['flac-7.1-24', 'mkv', ['-c:a', 'flac', '-ac', '8', '-sample_fmt', 's32']],
  ['pcm-96k-8ch', 'mov', ['-c:a', 'pcm_s24le', '-ac', '8', '-ar', '96000']],
  ['mp3-8k', 'mkv', ['-c:a', 'libmp3lame', '-ar', '8000', '-ac', '1']],
  ['mp3-in-asf', 'wmv', ['-c:a', 'libmp3lame']],
  ['alac-24', 'mov', ['-c:a', 'alac', '-sample_fmt', 's32p']],
];

/**
 * Every clip that can be made; encoders in `only` where it is given. At most `most` containers an encoder.
 */
export async function audioClips(only: readonly string[], most: number): Promise<readonly MatrixClip[]> {
  const listed = (await askFfmpeg(['-encoders'])).split('\n');
  const encoders = listed.flatMap((line) => /^ A\S* (\w+) /.exec(line)?.[1] ?? []);
  const clips: MatrixClip[] = [];
  const containers = Object.entries(CONTAINERS);
  for (const [number, encoder] of encoders.entries()) {
    if (only.length > 0 && !only.includes(encoder)) continue;
    let made = 0;
    // Each begins with another container, so that a few of each are many in all.
    const first = number % containers.length;
    for (const [extension, video] of [...containers.slice(first), ...containers.slice(0, first)]) {
      if (made >= most) break;
      const path = await firstShape(`${encoder}.${extension}`, [...video, '-c:a', encoder]);
      if (path === undefined) continue;
      clips.push({ name: `${encoder}.${extension}`, path });
      made++;
    }
  }
  for (const [name, extension, options] of VARIANTS) {
    if (only.length > 0 && !only.includes(name)) continue;
    const path = await made(`${name}.${extension}`, [...(CONTAINERS[extension] ?? []), ...options]);
    if (path !== undefined) clips.push({ name: `${name}.${extension}`, path });
  }
  return clips;
}

async function firstShape(name: string, options: readonly string[]): Promise<string | undefined> {
  for (const shape of SHAPES) {
    const path = await made(name, [...options, ...shape]);
    if (path !== undefined) return path;
  }
  return undefined;
}

async function made(name: string, options: readonly string[]): Promise<string | undefined> {
  try {
    const path = await ffmpegClip(
      name,
      [
        { from: { lavfi: 'testsrc2=size=64x64:rate=25:duration=1' } },
        { from: { lavfi: 'sine=frequency=440:sample_rate=48000:duration=1' } },
      ],
      ['-map', '0', '-map', '1', ...options, '-strict', '-2'],
    );
    const { streams } = (await runFfprobe(path, ['-show_streams'])) as {
      streams: { codec_type: string; width?: number }[];
    };
    const video = streams.some(({ codec_type, width }) => codec_type === 'video' && (width ?? 0) > 0);
    // A transport stream takes whatever it does not know as data.
    return video && streams.some(({ codec_type }) => codec_type === 'audio') ? path : undefined;
  } catch {
    return undefined;
  }
}
