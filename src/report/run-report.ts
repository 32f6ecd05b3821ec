import { writeFile } from 'node:fs/promises';
import { JobError, messageOf } from '../errors.js';
import type { NonFiniteFrames } from '../job/non-finite.js';
import type { Concealed } from '../video/decode.js';
import type { RankReport } from './summary.js';
import { limitingStage, stageTimes } from './summary.js';

/** What a finished job tells of itself to a program. */
export interface RunFacts {
  readonly version: string;
  readonly input: Readonly<Record<string, string | number | undefined>>;
  readonly output: Readonly<Record<string, string | number | undefined>>;
  readonly frames: number;
  /** Those for which the model gave NaN or infinity, counted from 0. */
  readonly nonFiniteFrames: NonFiniteFrames;
  readonly framesMadeInThisRun: number;
  readonly resumes: number;
  readonly wallSeconds: number;
  /** Of the wall time: from the first frame asked for to the last one given to the encoder. */
  readonly pipelineSeconds: number;
  readonly ranks: readonly RankReport[];
  /** Damage of the source that this run went on over (with --tolerant). */
  readonly concealed: Concealed;
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
}

/** The report of a finished job: input and output facts, frames checked in the output, and where the time went. */
export function runReport(facts: RunFacts) {
  const times = stageTimes(facts.ranks);
  return {
    report: 1,
    ...facts,
    // The job does not come this far unless every frame and timestamp was found in the output.
    verified: { frames: facts.frames, timestamps: 'equal within one tick of the output' },
    stageSeconds: times,
    limit: limitingStage(times, facts.ranks.length),
  };
}

/** Writes a report as JSON. */
export async function writeReport(path: string, report: object): Promise<void> {
  try {
    await writeFile(path, `${JSON.stringify(report, null, 2)}\n`);
  } catch (error) {
    throw new JobError('output', `the report ${path} cannot be written: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
