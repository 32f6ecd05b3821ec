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

/** The beginning of every report. */
const BEGINNING = /^\{\s*"report":\s*1[,\s]/;
const BEGINNING_BYTES = 64;

/** The facts of a finished job, for its report. */
export interface RunFacts {
  readonly version: string;
  readonly input: Readonly<Record<string, string | number | undefined>>;
  readonly output: Readonly<Record<string, string | number | undefined>>;
  /** The tables, by the names of their outputs; undefined if there are none. */
  readonly tables: readonly Readonly<Record<string, string | number | undefined>>[] | undefined;
  readonly frames: number;
  /** Frames for which the model gave NaN or infinity, counted from 0. */
  readonly nonFiniteFrames: NonFiniteFrames;
  readonly framesMadeInThisRun: number;
  readonly resumes: number;
  readonly wallSeconds: number;
  /**
   * Part of the wall time: from the request for the first frame to the last frame's delivery to the encoder.
   */
  readonly pipelineSeconds: number;
  readonly ranks: readonly RankReport[];
  /** Damage of the source that this run concealed (with --tolerant). */
  readonly concealed: Concealed;
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
}

/** Returns the report of a finished job: input and output, verified frames, and time by stage. */
export function runReport(facts: RunFacts) {
  const times = stageTimes(facts.ranks);
  return {
    report: 1,
    ...facts,
    // The job gets here only if every frame and timestamp was found in the output.
    verified: { frames: facts.frames, timestamps: 'equal within one tick of the output' },
    stageSeconds: times,
    limit: limitingStage(times, facts.ranks.length),
  };
}

/**
 * Writes a report as JSON, atomically: a reader sees the old report or the new one. Only a report is ever
 * replaced.
 *
 * @throws {JobError} output: when the report cannot be written, or would replace something else.
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

/**
 * Checks that nothing but an earlier report or an empty file is at `path`, and that its folder is writable.
 *
 * @throws {JobError} output: otherwise.
 */
export async function refuseForeignReport(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) {
    await access(dirname(path), constants.W_OK).catch((error: unknown) => {
      throw new JobError('output', `the report ${path} cannot be written: ${messageOf(error)}`, {
        hint: 'give a file in an existing, writable folder',
      });
    });
    return;
  }
  if (stats.isFile() && (stats.size === 0 || BEGINNING.test(await beginningOf(path)))) return;
  throw new JobError('output', `${path} exists and is not a report, so it is not replaced`, {
    hint: 'give another --report file, or move it away',
  });
}

async function beginningOf(path: string): Promise<string> {
  await using file = await openRegular(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(BEGINNING_BYTES), 0, BEGINNING_BYTES, 0);
  return buffer.toString('utf8', 0, bytesRead);
}
