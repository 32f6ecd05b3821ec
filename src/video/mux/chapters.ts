/** The chapters of a part of a video: shifted with it, and clipped to it. */
import { writeFile } from 'node:fs/promises';
import { isPlainObject } from '../../system/plain-object.js';
import { runFfprobe } from '../ffmpeg/ffmpeg.js';
import type { SourceFacts } from '../source/source-facts.js';

/** A chapter, in microseconds. */
export interface Chapter {
  readonly start: number;
  readonly end: number;
  readonly tags: Readonly<Record<string, string>>;
}

const MICROS = 1_000_000;

/**
 * Writes the chapters of the part of `source` from `from` to `to`, in seconds of the file, into a file of
 * FFmpeg's metadata. Returns false, and writes nothing, if there is none.
 *
 * @throws {JobError} ffmpeg: when the file cannot be read.
 */
export async function writeChapters(
  source: SourceFacts,
  from: number,
  to: number,
  file: string,
): Promise<boolean> {
  if (source.chapters === 0) return false;
  const report = await runFfprobe(source.path, [...source.openOptions, '-show_chapters']);
  const chapters = clipped(chaptersOf(report), Math.round(from * MICROS), Math.round(to * MICROS));
  if (chapters.length === 0) return false;
  await writeFile(file, metadataText(chapters));
  return true;
}

/** Returns the chapters that are shown within a part, in its own time. */
export function clipped(chapters: readonly Chapter[], from: number, to: number): readonly Chapter[] {
  return chapters.flatMap(({ start, end, tags }) => {
    const inside = { start: Math.max(start, from) - from, end: Math.min(end, to) - from, tags };
    return inside.end > inside.start ? [inside] : [];
  });
}

/** Returns chapters in FFmpeg's own form of metadata. */
export function metadataText(chapters: readonly Chapter[]): string {
  const lines = chapters.flatMap(({ start, end, tags }) => [
    ...['[CHAPTER]', `TIMEBASE=1/${MICROS}`, `START=${start}`, `END=${end}`],
    ...Object.entries(tags).map(([key, value]) => `${escaped(key)}=${escaped(value)}`),
  ]);
  return [';FFMETADATA1', ...lines, ''].join('\n');
}

function escaped(text: string): string {
  return text.replaceAll(/[=;#\\\n]/g, (special) => `\\${special}`);
}

/** Returns the chapters in ffprobe's report. */
function chaptersOf(report: unknown): readonly Chapter[] {
  const list = isPlainObject(report) && Array.isArray(report.chapters) ? report.chapters : [];
  return list.filter(isPlainObject).flatMap((chapter) => {
    const [start, end] = [Number(chapter.start_time) * MICROS, Number(chapter.end_time) * MICROS];
    if (!Number.isFinite(start) || !Number.isFinite(end)) return [];
    const tags = isPlainObject(chapter.tags) ? chapter.tags : {};
    const texts = Object.entries(tags).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    );
    return [{ start: Math.round(start), end: Math.round(end), tags: Object.fromEntries(texts) }];
  });
}
