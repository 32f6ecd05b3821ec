/** Finds audio that an edit list hides and a copy of its packets would bring back. */

import { ffprobeLines } from '../ffmpeg/ffmpeg.js';
import type { Container } from '../formats/container.js';
import { isoAudioEdits } from '../formats/iso-boxes.js';
import type { SourceFacts } from './source-facts.js';

/**
 * Samples that decoders need before the first that is played are hidden, too: they are copied, and players
 * skip them.
 */
const MOST_PRIMING_SECONDS = 0.25;

/**
 * Returns the audio streams of `source` (by index) that cannot be copied into `container` because an edit
 * list hides part of them: between two parts that are played, or, if the container has no edit lists, before
 * the first.
 *
 * @throws {JobError} ffmpeg: when ffprobe cannot read the file.
 */
export async function hiddenAudio(source: SourceFacts, container: Container): Promise<ReadonlySet<number>> {
  const found = new Set<number>();
  if (!source.format.startsWith('mov,')) return found;
  const edits = await isoAudioEdits(source.path);
  const doubtful = edits.some(
    ({ count, hidden }) => count > 1 || (!container.isoMedia && hidden > MOST_PRIMING_SECONDS),
  );
  if (!doubtful) return found;
  for (const { index, type } of source.streams) {
    if (type === 'audio' && (await isHidden(source, index, container.isoMedia))) found.add(index);
  }
  return found;
}

async function isHidden(source: SourceFacts, index: number, hasEdits: boolean): Promise<boolean> {
  const entries = ['-show_entries', 'packet=pts_time,flags', '-of', 'compact=p=0'];
  let shown: number | undefined;
  const args = [...source.openOptions, '-select_streams', `${index}`, ...entries];
  for await (const line of ffprobeLines(source.path, args)) {
    const [, time, flags] = /^pts_time=([^|]+)\|flags=([^|]+)/.exec(line) ?? [];
    const seconds = Number(time);
    if (flags === undefined || Number.isNaN(seconds)) continue;
    if (!flags.includes('D')) shown = seconds;
    else if (shown === undefined ? !hasEdits && seconds < -MOST_PRIMING_SECONDS : seconds <= shown)
      return true;
  }
  return false;
}
