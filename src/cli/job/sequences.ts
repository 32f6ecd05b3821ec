/** The options of sequences of numbered pictures, and what does not go with them. */
import type { RunOptions } from '../../job/context/options.js';
import { displayText, isAddress } from '../../storage/location/location.js';
import { isSequence, MOST_NUMBER } from '../../storage/location/numbered-names.js';
import type { JobError } from '../../system/errors.js';
import { optionValues, rationalOf } from '../parsing/option-values.js';

type Usage = (message: string) => JobError;

/** Options as given. */
interface Asked {
  readonly 'frame-rate'?: string | undefined;
  readonly 'start-number'?: number | undefined;
  readonly format?: string | undefined;
  readonly tolerant?: boolean | undefined;
  readonly audio?: string | undefined;
  readonly subtitles?: string | undefined;
}

/** The rates that FFmpeg takes exactly. */
const MOST_RATE = 1000;
const MOST_TERM = 1_001_000;

/** Returns the values of the options of sequences. */
export function sequenceOptions(
  { 'frame-rate': rate, 'start-number': start }: Asked,
  usage: Usage,
): Pick<RunOptions, 'frameRate' | 'startNumber'> {
  const { whole } = optionValues(usage);
  const frameRate = rate === undefined ? undefined : rationalOf(rate);
  const isExact =
    frameRate !== undefined &&
    Math.max(frameRate.num, frameRate.den) <= MOST_TERM &&
    frameRate.num <= MOST_RATE * frameRate.den;
  if (rate !== undefined && !isExact)
    throw usage(
      `--frame-rate takes a number above 0, at most ${MOST_RATE}, such as 24, 23.976 or 30000/1001, not ${JSON.stringify(rate)}`,
    );
  return { frameRate, startNumber: whole('start-number', start, 0, MOST_NUMBER) };
}

/**
 * Refuses what does not go with an INPUT or OUTPUT that is a sequence, or with one that is none.
 *
 * @throws {JobError} usage: when something does not.
 */
export function refuseForSequences(
  { input, output }: { readonly input: string; readonly output: string },
  parsed: Asked,
  usage: Usage,
): void {
  const [reads, writes] = [isSequence(input), isSequence(output)];
  if (parsed['frame-rate'] !== undefined && !reads)
    throw usage('--frame-rate goes with a sequence of pictures as INPUT, such as shot/%06d.png');
  if (parsed['start-number'] !== undefined && !reads && !writes)
    throw usage(
      '--start-number goes with a sequence of pictures as INPUT or OUTPUT, such as frames/%06d.png',
    );
  const remote = [input, output].find((name) => isAddress(name) && isSequence(name));
  if (remote !== undefined)
    throw usage(
      `${displayText(remote)} is a sequence of pictures, which lies in a folder, not in Blob storage`,
    );
  if (reads && parsed.tolerant === true)
    throw usage('--tolerant does not apply where INPUT is a sequence: every picture must be whole');
  if (!writes) return;
  const option = (['format', 'audio', 'subtitles'] as const).find((name) => parsed[name] !== undefined);
  if (option !== undefined) throw usage(`--${option} does not apply where OUTPUT is a sequence of pictures`);
}

/** Refuses sequences where several inputs go into a folder. */
export function refuseSeveralSequences(names: readonly string[], parsed: Asked, usage: Usage): void {
  const option = (['frame-rate', 'start-number'] as const).find((name) => parsed[name] !== undefined);
  if (option !== undefined) throw usage(`--${option} goes with one INPUT and one OUTPUT`);
  const sequence = names.find(isSequence);
  if (sequence !== undefined)
    throw usage(`${sequence} is a sequence of pictures, which goes with one INPUT and one OUTPUT`);
}
