import { rankName } from '../mpi/world.js';
import { JobError } from '../system/errors.js';
import { PIECE_WAIT, TRIAL_RUN, type UnderWay } from './activity.js';

/** The state that a rank sends at every beat. */
export interface Beat {
  readonly rank: number;
  readonly host: string;
  readonly moves: number;
  readonly underWay: readonly UnderWay[];
}

/**
 * A rank as the root knows it. Times are in seconds; they do not advance while this process is stopped or its
 * machine sleeps.
 */
export interface Pulse extends Beat {
  /** Seconds since the rank's last beat. */
  readonly silent: number;
  /** Seconds since the rank's last move. */
  readonly still: number;
}

/** A rank that has been silent for longer is stopped or cut off. */
const SILENT_SECONDS = 3;
/** Most ranks that one message names. */
const MOST_NAMED = 4;

/** Steps in which a rank only waits for others: they never hold a job up. */
const WAITS: readonly string[] = ['pipeline', 'scatter', 'gather', PIECE_WAIT];
/** Steps in words; % stands for the frames. */
const STEPS: Readonly<Record<string, string>> = {
  decode: 'waits for ffmpeg to decode % of this run',
  infer: 'runs the model on % of its own',
  encode: 'waits for ffmpeg to encode % of this run',
  [TRIAL_RUN]: 'makes the trial run of the model',
  prepare: 'prepares the job',
  'open sessions': 'opens the model',
  assemble: 'muxes the output',
  verify: 'verifies the output',
  publish: 'publishes the output',
};

/** Returns what the job waits for: the silent ranks or, if there are none, the steps of the others. */
export function waitedFor(pulses: readonly Pulse[]): string {
  const silent = pulses.filter((pulse) => pulse.silent > SILENT_SECONDS);
  if (silent.length > 0) {
    return named(silent.map((pulse) => `${rankName(pulse)} has not answered for ${duration(pulse.silent)}`));
  }
  const busy = pulses.flatMap((pulse) => {
    const [first] = holdUps(pulse);
    return first === undefined ? [] : [{ pulse, first }];
  });
  // A part of the job is under way at the same time as its stages; a step with frames says more.
  const exact = busy.filter(({ first }) => first.frames !== undefined || first.what === TRIAL_RUN);
  const texts = (exact.length > 0 ? exact : busy).map(
    ({ pulse, first }) => `${rankName(pulse)} ${describe(first)}`,
  );
  return texts.length > 0 ? named([...new Set(texts)]) : 'all ranks wait for each other';
}

/**
 * Returns the error that ends a stalled job. The job is resumable, unless the model never ended its trial
 * run.
 */
export function stallError(pulses: readonly Pulse[], seconds: number): JobError {
  const message = `no progress for ${duration(seconds)}: ${waitedFor(pulses)}`;
  const silent = pulses.some((pulse) => pulse.silent > SILENT_SECONDS);
  const atTrial = pulses.some((pulse) => holdUps(pulse)[0]?.what === TRIAL_RUN);
  if (!silent && atTrial) {
    return new JobError('model', message, {
      hint: 'the model may loop forever; if it is only slow, raise --stall-timeout',
    });
  }
  return new JobError('stopped', message, {
    hint: 'the same command resumes the job; --stall-timeout sets how many seconds to wait (0: forever)',
  });
}

/** Returns the steps of a rank that others may wait for, the most exact first. */
function holdUps({ underWay }: Beat): readonly UnderWay[] {
  const waitsForPiece = underWay.some(({ what }) => what === PIECE_WAIT);
  const held = underWay.filter(({ what }) => !WAITS.includes(what) && !(waitsForPiece && what === 'decode'));
  const rank = ({ frames, what }: UnderWay): number => (frames !== undefined || what === TRIAL_RUN ? 0 : 1);
  return [...held].sort((a, b) => rank(a) - rank(b));
}

function describe({ what, frames = [0, 0] }: UnderWay): string {
  const [first, last] = frames;
  const which = first === last ? `frame ${first}` : `frames ${first} to ${last}`;
  return (STEPS[what] ?? what).replace('%', which);
}

function duration(seconds: number): string {
  return seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

function named(texts: readonly string[]): string {
  const more = texts.length > MOST_NAMED ? `, and ${texts.length - MOST_NAMED} more ranks` : '';
  return `${texts.slice(0, MOST_NAMED).join(', ')}${more}`;
}
