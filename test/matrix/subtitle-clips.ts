/**
 * Clips with subtitles in every codec that this ffmpeg can make or read, in the containers that take them, at
 * odd times too.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { probe } from '../../src/video/source/probe.js';
import { shownGraphics } from '../fixtures/carried-clips.js';
import { clipFolder, ffmpegClip } from '../fixtures/clips.js';
import type { MatrixClip } from './audio-clips.js';

const VIDEO = 'testsrc2=size=64x64:rate=25:duration=1';
const CONTAINERS = ['mkv', 'mp4', 'mov', 'ts', 'm2ts', 'webm', 'nut', 'vob'];
const VIDEOS: Readonly<Record<string, string>> = { webm: 'libvpx', vob: 'mpeg2video', m2ts: 'mpeg2video' };

/** Lines as SubRip writes them: name, then begin, end and text. */
const TIMES: Readonly<Record<string, readonly (readonly [begin: string, end: string])[]>> = {
  plain: [
    ['00:00:00,200', '00:00:00,800'],
    ['00:00:01,000', '00:00:01,500'],
  ],
  'at zero': [
    ['00:00:00,000', '00:00:00,500'],
    ['00:00:00,500', '00:00:01,000'],
  ],
  'no length': [
    ['00:00:00,200', '00:00:00,200'],
    ['00:00:01,000', '00:00:01,500'],
  ],
  'ends before it begins': [
    ['00:00:00,800', '00:00:00,200'],
    ['00:00:01,000', '00:00:01,500'],
  ],
  overlap: [
    ['00:00:00,200', '00:00:01,800'],
    ['00:00:00,600', '00:00:01,500'],
    ['00:00:00,600', '00:00:01,000'],
  ],
  'out of order': [
    ['00:00:01,000', '00:00:01,500'],
    ['00:00:00,200', '00:00:00,800'],
  ],
  '36 minutes': [['00:00:00,500', '00:36:00,000']],
  '40 minutes': [
    ['00:00:00,500', '00:40:00,000'],
    ['00:00:01,000', '00:00:01,400'],
  ],
  '99 hours': [['00:00:00,500', '99:59:59,999']],
  '2000 hours': [['00:00:00,500', '2000:00:00,000']],
  'after the end': [['01:30:00,000', '01:30:05,000']],
  'gap of 40 minutes': [
    ['00:00:00,200', '00:00:00,800'],
    ['00:40:00,000', '00:40:01,000'],
  ],
  '30 hours on': [
    ['00:00:00,200', '00:00:00,800'],
    ['30:00:00,000', '30:00:01,000'],
  ],
  '700 hours on': [['700:00:00,000', '700:00:01,000']],
};

function subRip(name: string, times: readonly (readonly [string, string])[]): string {
  const path = join(clipFolder(), `${name}.srt`);
  const lines = times.map(([begin, end], line) => `${line + 1}\n${begin} --> ${end}\nLine ${line + 1}\n`);
  writeFileSync(path, lines.join('\n'));
  return path;
}

/** A PGS file of two pictures, the last of them never taken away. */
function graphics(): string {
  const path = join(clipFolder(), 'graphics.sup');
  writeFileSync(path, Buffer.concat([18_000, 90_000].map((time) => shownGraphics(time))));
  return path;
}

/** Every clip that can be made. */
export async function subtitleClips(): Promise<readonly MatrixClip[]> {
  const clips: MatrixClip[] = [];
  const add = async (name: string, extension: string, file: string, options: readonly string[]) => {
    const path = await made(`${name}.${extension}`, extension, file, options);
    if (path !== undefined) clips.push({ name: `${name}.${extension}`, path });
  };
  const plain = subRip('plain', TIMES.plain ?? []);
  for (const extension of CONTAINERS) {
    for (const encoder of ['srt', 'ass', 'ssa', 'webvtt', 'mov_text', 'text', 'ttml']) {
      await add(encoder, extension, plain, ['-c:s', encoder]);
    }
    await add('pgs', extension, graphics(), ['-c:s', 'copy']);
    for (const encoder of ['dvbsub', 'dvdsub', 'xsub']) {
      await add(encoder, extension, graphics(), ['-c:s', encoder]);
    }
  }
  for (const [name, times] of Object.entries(TIMES)) {
    const file = subRip(name, times);
    for (const [encoder, extension] of [
      ['srt', 'mkv'],
      ['ass', 'mkv'],
      ['webvtt', 'mkv'],
      ['webvtt', 'webm'],
      ['mov_text', 'mp4'],
      ['ttml', 'mp4'],
    ] as const) {
      await add(`${encoder} ${name}`, extension, file, ['-c:s', encoder]);
    }
  }
  for (const [name, shift] of [
    ['before zero', -0.6],
    ['a day late', 86_400],
  ] as const) {
    for (const extension of ['mkv', 'mp4', 'ts']) {
      const path = await shifted(name, extension, plain, shift);
      if (path !== undefined) clips.push({ name: `${name}.${extension}`, path });
    }
  }
  return clips;
}

async function shifted(name: string, extension: string, file: string, shift: number) {
  const encoder = extension === 'mp4' ? 'mov_text' : extension === 'ts' ? 'dvbsub' : 'srt';
  const from = extension === 'ts' ? graphics() : file;
  return made(`${name}.${extension}`, extension, from, ['-c:s', encoder], ['-itsoffset', `${shift}`]);
}

async function made(
  name: string,
  extension: string,
  file: string,
  options: readonly string[],
  reading: readonly string[] = [],
): Promise<string | undefined> {
  try {
    const inputs = [{ from: { lavfi: VIDEO } }, { from: { file }, options: reading }];
    const video = ['-c:v', VIDEOS[extension] ?? 'libx264', '-pix_fmt', 'yuv420p', '-g', '10'];
    const timing = ['-strict', '-2', '-avoid_negative_ts', 'disabled'];
    await ffmpegClip(name, inputs, ['-map', '0', '-map', '1', ...video, ...options, ...timing]);
    const path = join(clipFolder(), name);
    const { streams } = await probe(path);
    return streams.some(({ type }) => type === 'subtitle') ? path : undefined;
  } catch {
    return undefined;
  }
}
