/** Finds sound that an edit list hides, and that a copy of its packets would bring back. */

import { ffprobeLines } from '../ffmpeg/ffmpeg.js';
import type { Container } from '../formats/container.js';
import { isoSoundEdits } from '../formats/iso-boxes.js';
import type { SourceFacts } from './source-facts.js';

/** What decoders need before the first sample that counts is hidden, too: it is copied, and players pass over it. */
const MOST_PRIMING_SECONDS = 0.25;

/**
 * The sound streams of `source` (by index) that cannot be copied into `container` because an edit list hides part of
 * them: between two parts that are shown, or, where the container has no edit lists, before the first. Errors:
 * JobError('ffmpeg') where ffprobe cannot read the file.
 */
export async function hiddenSound(source: SourceFacts, container: Container): Promise<ReadonlySet<number>> {
  const found = new Set<number>();
  if (!source.format.startsWith('mov,')) return found;
  const edits = await isoSoundEdits(source.path);
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
