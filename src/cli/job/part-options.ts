/** The options that take a part of a video. Pure. */
import type { Argv } from 'yargs';
import { parseClock } from '../../job/preview/clock-times.js';
import type { JobError } from '../../system/errors.js';
import type { PartRequest } from '../../video/source/frame-range.js';
import { optionValues } from '../parsing/option-values.js';

/** The names that FFmpeg has for them. */
const FFMPEG_NAMES: ReadonlyMap<string, string> = new Map([
  ['-ss', '--from'],
  ['-to', '--to'],
  ['-t', '--duration'],
]);
const MICROS = 1_000_000;
const MOST_FRAMES = 1e9;

/** Adds the options. */
export function partOptions<T>(parser: Argv<T>, group: string) {
  return parser
    .option('from', {
      type: 'string',
      group,
      describe: 'leave out the frames before this time of the video: 90, 1:30, 0:01:30.5 (as -ss)',
    })
    .option('to', {
      type: 'string',
      group,
      describe: 'leave out the frames at this time of the video, and later (as -to)',
    })
    .option('duration', {
      type: 'string',
      group,
      describe: 'instead of --to: so long after --from, or the beginning (as -t)',
    })
    .option('frames', {
      type: 'number',
      group,
      describe: 'process at most so many frames, from --from or the beginning',
    });
}

/** Returns the arguments with FFmpeg's names of these options, `-ss`, `-to` and `-t`, replaced by ours. */
export function withPartNames(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--');
  const own = end === -1 ? argv.length : end;
  return argv.map((word, at) => (at < own ? (FFMPEG_NAMES.get(word) ?? word) : word));
}

/** The values of the options, as they were given. */
interface Given {
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly duration: string | undefined;
  readonly frames: number | undefined;
}

/**
 * Returns the part that the options ask for; undefined if none is given.
 *
 * @throws {JobError} usage: when they ask for none, or contradict each other. `usage` makes it.
 */
export function partOf(given: Given, usage: (message: string) => JobError): PartRequest | undefined {
  const time = (name: 'from' | 'to' | 'duration'): number | undefined => {
    const text = given[name];
    if (text === undefined) return undefined;
    const seconds = parseClock(text);
    if (seconds !== undefined) return Math.round(seconds * MICROS);
    throw usage(`--${name} takes a time such as 90, 1:30 or 0:01:30.5, not ${JSON.stringify(text)}`);
  };
  if (given.to !== undefined && given.duration !== undefined)
    throw usage('--to and --duration exclude each other');
  const [from, end, duration] = [time('from'), time('to'), time('duration')];
  if (duration === 0) throw usage('--duration is 0, which leaves no frame');
  if (end !== undefined && end <= (from ?? 0))
    throw usage(`--to (${given.to}) must be later than ${from === undefined ? 0 : `--from (${given.from})`}`);
  const to = duration === undefined ? end : (from ?? 0) + duration;
  const frames = optionValues(usage).whole('frames', given.frames, 1, MOST_FRAMES);
  // A part that begins with the video is no cut there.
  const part = { from: from === 0 ? undefined : from, to, frames };
  return Object.values(part).every((one) => one === undefined) ? undefined : part;
}
