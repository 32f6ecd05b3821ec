import type { Environment } from './environment.js';
import { type Limits, limitsOf, type RankReport } from './limits.js';
import type { Stills } from './stills.js';

/** A picture that failed. */
export interface FailedPicture {
  readonly file: string;
  readonly error: string;
}

/** The facts of a job of pictures that ran to its end, for its report. */
export interface PicturesFacts {
  readonly version: string;
  readonly output: Readonly<Record<string, string | number | undefined>>;
  readonly pictures: PictureCounts;
  /** The first failures: at most `MOST_REPORTED`. */
  readonly failures: readonly FailedPicture[];
  readonly resumes: number;
  readonly wallSeconds: number;
  /** Part of the wall time: while pictures were dealt out to ranks and recorded. */
  readonly pipelineSeconds: number;
  readonly ranks: readonly RankReport[];
  readonly warnings: readonly string[];
  readonly environment: Environment;
  /** Small pictures for the page; undefined if none are shown. */
  readonly stills: Stills | undefined;
}

export interface PictureCounts {
  readonly total: number;
  /** Made by this run, and by earlier runs of this job. */
  readonly done: number;
  readonly kept: number;
  readonly failed: number;
  /** Their outputs were there before. */
  readonly skipped: number;
}

/** The most failures that a report names; the counts tell of all. */
export const MOST_REPORTED = 1000;
/** The most names in a message. */
const MOST_NAMES = 10;

/** The report of a job of pictures, as JSON. */
export type PicturesReport = ReturnType<typeof picturesReport>;

/** Returns the report of a job of pictures. */
export function picturesReport({ stills: _, ...facts }: PicturesFacts) {
  return { report: 1, ...facts, limits: limitsOfPictures(facts) };
}

/** Returns what limited the ranks, each of which decodes, infers and encodes pictures of its own. */
function limitsOfPictures(facts: Omit<PicturesFacts, 'stills'>): Limits {
  const framesMadeInThisRun = facts.pictures.done - facts.pictures.kept;
  const limits = limitsOf({ ...facts, framesMadeInThisRun, split: 'segments', schedule: 'even' });
  // The other remedies are for videos.
  const isInference = limits.limit === 'infer' && limits.aroundSeconds < facts.pipelineSeconds;
  return isInference ? limits : { ...limits, next: undefined };
}

/** Returns the line that says how many pictures were made. */
export function countsLine({ total, done, kept, failed, skipped }: PictureCounts): string {
  const parts = [`${done} done`];
  if (kept > 0) parts.push(`${kept} of these by an earlier run`);
  if (skipped > 0) parts.push(`${skipped} skipped`);
  if (failed > 0) parts.push(`${failed} failed`);
  return `${total} picture${total === 1 ? '' : 's'}: ${parts.join(', ')}`;
}

/** Returns the names of the first pictures of a list. */
export function someNames(names: readonly string[], all: number): string {
  const more = all > MOST_NAMES ? `, and ${all - MOST_NAMES} more` : '';
  return `${names.slice(0, MOST_NAMES).join(', ')}${more}`;
}
