/**
 * Finds out whether Opus would come early in Matroska. Matroska holds the samples that decoders skip as the
 * track's delay, and readers take every block to be earlier by it. FFmpeg 5 writes the delay, but the blocks
 * as if there were none.
 */
import { rm } from 'node:fs/promises';
import { JobError } from '../../system/errors.js';
import { type FfmpegCommand, ffprobeLines, runFfmpeg } from '../ffmpeg/ffmpeg.js';
import type { SourceFacts } from '../source/source-facts.js';
import type { StreamAction } from './stream-plan.js';

/** The time before its first sample at which FFmpeg's encoder lets Opus begin: 312 samples. */
const ENCODER_DELAY_SECONDS = 312 / 48_000;
/** Times in Matroska are rounded to milliseconds, more than once. */
const ROUNDING_SECONDS = 0.002;

/**
 * Returns the milliseconds by which ffmpeg would write the audio of `action`, copied from `source` into
 * Matroska, too early. 0 for all codecs but Opus. Writes the file `scratch` and removes it.
 */
export async function opusEarlyBy(
  source: SourceFacts,
  action: StreamAction,
  scratch: string,
): Promise<number> {
  const stream = source.streams.find(({ index }) => index === action.index);
  try {
    if (action.kind === 'convert' && action.encoder === 'libopus') {
      const silence = { from: { lavfi: 'anullsrc=channel_layout=mono:sample_rate=48000' } };
      const written = await firstWritten(silence, ['-t', '0.1', '-c:a', 'libopus'], scratch);
      return early(-ENCODER_DELAY_SECONDS, written);
    }
    if (action.kind !== 'copy' || stream?.codec !== 'opus') return 0;
    const input = { from: { file: source.path }, options: [...source.openOptions, '-copyts'] };
    const copy = ['-map', `0:${action.index}`, '-c', 'copy', '-frames:a', '5'];
    const written = await firstWritten(input, copy, scratch);
    return early(await firstTime(source.path, `${action.index}`, source.openOptions), written);
  } catch (error) {
    // Errors in the stream are reported when it is carried over.
    if (!(error instanceof JobError)) throw error;
    return 0;
  } finally {
    await rm(scratch, { force: true });
  }
}

async function firstWritten(
  input: FfmpegCommand['inputs'][number],
  options: readonly string[],
  scratch: string,
): Promise<number | undefined> {
  await runFfmpeg({
    task: 'testing how Opus is written',
    inputs: [input],
    outputs: [
      {
        to: { file: scratch },
        options: [...options, '-avoid_negative_ts', 'disabled', '-f', 'matroska'],
      },
    ],
  });
  return firstTime(scratch, '0');
}

async function firstTime(
  path: string,
  stream: string,
  openOptions: readonly string[] = [],
): Promise<number | undefined> {
  const entries = ['-show_entries', 'packet=pts_time', '-read_intervals', '%+#1', '-of', 'csv=p=0'];
  for await (const line of ffprobeLines(path, [...openOptions, '-select_streams', stream, ...entries])) {
    const time = Number.parseFloat(line);
    if (Number.isFinite(time)) return time;
  }
  return undefined;
}

function early(wanted: number | undefined, written: number | undefined): number {
  if (wanted === undefined || written === undefined) return 0;
  const seconds = wanted - written;
  // Both times were rounded down: half a millisecond is missing on the average.
  return seconds > ROUNDING_SECONDS ? Math.round(seconds * 1000 + 0.5) : 0;
}
