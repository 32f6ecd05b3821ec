import { access, constants, lstat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { printableJson } from '../../report/printable.js';
import { writeAtomically } from '../../system/durable.js';
import { JobError, messageOf } from '../../system/errors.js';
import { openRegular } from '../../system/own-files.js';
import type { Concealed } from '../../video/frames/decode.js';
import type { NonFiniteFrames } from '../journal/non-finite.js';
import type { RankReport } from './summary.js';
import { limitingStage, stageTimes } from './summary.js';

/** How every report begins. */
const BEGINNING = /^\{\s*"report":\s*1[,\s]/;
const BEGINNING_BYTES = 64;

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

/**
 * Writes a report as JSON, whole or not at all: who reads it meanwhile sees the earlier one. What is no report is not replaced.
 * Errors: JobError `output`.
 */
export async function writeReport(path: string, report: object): Promise<void> {
  await refuseForeignReport(path);
  try {
    await writeAtomically(path, `${printableJson(report, 2)}\n`);
  } catch (error) {
    throw new JobError('output', `the report ${path} cannot be written: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Refuses a place for a report that holds anything but an earlier report or an empty file. JobError `output`. */
export async function refuseForeignReport(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) {
    await access(dirname(path), constants.W_OK).catch((error: unknown) => {
      throw new JobError('output', `the report ${path} cannot be written: ${messageOf(error)}`, {
        hint: 'name a file in a folder that is there and can be written',
      });
    });
    return;
  }
  if (stats.isFile() && (stats.size === 0 || BEGINNING.test(await beginningOf(path)))) return;
  throw new JobError('output', `there is something at ${path} that is no report of a run`, {
    hint: 'it is not replaced: name another file for the report, or move it away',
  });
}

async function beginningOf(path: string): Promise<string> {
  const file = await openRegular(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(BEGINNING_BYTES), 0, BEGINNING_BYTES, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}
