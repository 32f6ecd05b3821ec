import type { Concealed } from '../../video/frames/decode.js';
import type { NonFiniteFrames } from '../journal/non-finite.js';
import type { Environment } from './environment.js';
import { type Limits, limitsOf, stageTimes } from './limits.js';
import type { Stills } from './stills.js';
import type { SummaryFacts } from './summary.js';

/** One stream of the source, and what became of it in the output. */
export interface StreamReport {
  readonly stream: string;
  readonly output: string;
}

/** The facts of a finished job, for its report. */
export interface RunFacts extends SummaryFacts {
  readonly version: string;
  /** The videos of further pictures, by the names of their outputs; undefined if there are none. */
  readonly further: readonly Readonly<Record<string, string | number | undefined>>[] | undefined;
  /** The tables, by the names of their outputs; undefined if there are none. */
  readonly tables: readonly Readonly<Record<string, string | number | undefined>>[] | undefined;
  /** Frames for which the model gave NaN or infinity, counted from 0. */
  readonly nonFiniteFrames: NonFiniteFrames;
  readonly settings: Readonly<Record<string, string | number>>;
  readonly streams: readonly StreamReport[];
  /** Damage of the source that this run concealed (with --tolerant). */
  readonly concealed: Concealed;
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
  /** Undefined if nobody asked for a report. */
  readonly environment: Environment | undefined;
  /** Small frames for the page; undefined if none are shown. */
  readonly stills: Stills | undefined;
}

/** The report of a finished job, as JSON. */
export type RunReport = ReturnType<typeof runReport>;

/** Returns the report of a finished job: input and output, verified frames, and time by stage. */
export function runReport({ stills: _, ...facts }: RunFacts) {
  const limits: Limits = limitsOf(facts);
  return {
    report: 1,
    ...facts,
    ranks: facts.ranks.map(({ spans: _, ...rank }) => rank), // they are the trace's
    // The job gets here only if every frame and timestamp was found in the output.
    verified: { frames: facts.frames, timestamps: 'equal within one tick of the output' },
    stageSeconds: stageTimes(facts.ranks),
    limit: limits.limit,
    limits,
  };
}
