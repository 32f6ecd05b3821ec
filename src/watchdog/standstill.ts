import { placeOf } from '../mpi/world.js';
import { JobError } from '../system/errors.js';
import { PIECE_WAIT, TRIAL_RUN, type UnderWay } from './activity.js';

/** What a rank tells of itself at every beat. */
export interface Beat {
  readonly rank: number;
  readonly host: string;
  readonly moves: number;
  readonly underWay: readonly UnderWay[];
}

/** What the root knows of a rank. Times are in seconds, and stand still while this process is stopped or its machine asleep. */
export interface Pulse extends Beat {
  /** Since it told anything. */
  readonly silent: number;
  /** Since it moved anything. */
  readonly still: number;
}

/** A rank that has told nothing for so long is stopped, or cut off. */
const SILENT_SECONDS = 3;
/** Ranks that one message names. */
const MOST_NAMED = 4;

/** What ranks do while they wait for others: never what holds a job up. */
const WAITS: readonly string[] = ['pipeline', 'scatter', 'gather', PIECE_WAIT];
/** What a rank does, with the frames that it is about, or none. */
const DOINGS: Readonly<Record<string, string>> = {
  decode: 'waits for ffmpeg to decode % of this run',
  infer: 'runs the model over % of those that it was given',
  encode: 'waits for ffmpeg to take % of this run',
  [TRIAL_RUN]: 'tries the model out',
  prepare: 'prepares the job',
  'open sessions': 'opens the model',
  assemble: 'puts the output together',
  verify: 'verifies the output',
  publish: 'puts the output in its place',
};

/** What is waited for: the ranks that tell nothing, else what those that do are at. */
export function waitedFor(pulses: readonly Pulse[]): string {
  const silent = pulses.filter((pulse) => pulse.silent > SILENT_SECONDS);
  if (silent.length > 0) {
    const told = ({ silent: seconds }: Pulse) => `has told nothing for ${duration(seconds)}`;
    return named(silent.map((pulse) => `${placeOf(pulse)} ${told(pulse)}`));
  }
  const busy = pulses.flatMap((pulse) => {
    const [first] = holdUps(pulse);
    return first === undefined ? [] : [{ pulse, first }];
  });
  // Parts of the job go on meanwhile: what has frames tells more.
  const exact = busy.filter(({ first }) => first.frames !== undefined || first.what === TRIAL_RUN);
  const texts = (exact.length > 0 ? exact : busy).map(
    ({ pulse, first }) => `${placeOf(pulse)} ${words(first)}`,
  );
  return texts.length > 0 ? named([...new Set(texts)]) : 'all ranks wait for each other';
}

/** What ends a job that stands still. Resumable, but for a model that does not end at its trial. */
export function standstill(pulses: readonly Pulse[], seconds: number): JobError {
  const message = `nothing has moved for ${duration(seconds)}: ${waitedFor(pulses)}`;
  const silent = pulses.some((pulse) => pulse.silent > SILENT_SECONDS);
  const atTrial = pulses.some((pulse) => holdUps(pulse)[0]?.what === TRIAL_RUN);
  if (!silent && atTrial) {
    return new JobError('model', message, {
      hint: 'a model that loops may never end; where it is only slow, give --stall-timeout more seconds',
    });
  }
  return new JobError('stopped', message, {
    hint: 'the same command goes on from what is done; --stall-timeout sets how long it waits, 0 for ever',
  });
}

/** The most exact of what a rank is at that others may wait for. */
function holdUps({ underWay }: Beat): readonly UnderWay[] {
  const waitsForPiece = underWay.some(({ what }) => what === PIECE_WAIT);
  const held = underWay.filter(({ what }) => !WAITS.includes(what) && !(waitsForPiece && what === 'decode'));
  const rank = ({ frames, what }: UnderWay): number => (frames !== undefined || what === TRIAL_RUN ? 0 : 1);
  return [...held].sort((a, b) => rank(a) - rank(b));
}

function words({ what, frames = [0, 0] }: UnderWay): string {
  const [first, last] = frames;
  const which = first === last ? `frame ${first}` : `frames ${first} to ${last}`;
  return (DOINGS[what] ?? what).replace('%', which);
}

function duration(seconds: number): string {
  return seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

function named(texts: readonly string[]): string {
  const more = texts.length > MOST_NAMED ? `, and ${texts.length - MOST_NAMED} more ranks` : '';
  return `${texts.slice(0, MOST_NAMED).join(', ')}${more}`;
}
