import { randomBytes } from 'node:crypto';
import { JobError } from '../../system/errors.js';

/**
 * The journal's header: what the job is. It is removed last, so that an interrupted removal still leaves a
 * journal.
 */
export const HEADER = 'journal.json';

/**
 * The record by which the output is recognised, written just before it is put in place. It outlasts the
 * header.
 */
export const PUBLICATION = 'publication.json';

/**
 * Returns the name of a segment's record, its rows of a table, or its video: the main one, number 0, or that
 * of a further picture.
 */
export function segmentName(index: number, suffix: 'json' | 'nut' | 'rows', video = 0): string {
  return `segment-${String(index).padStart(6, '0')}${numbered(video)}.${suffix}`;
}

/** Returns the number of the segment that a file belongs to; undefined if it belongs to none. */
export function segmentOf(name: string): number | undefined {
  const digits = SEGMENT.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Returns what tells a further file from the first of its kind. */
function numbered(at: number): string {
  return at === 0 ? '' : `-${at}`;
}

/**
 * Names of files that are being written, in the scratch folder. All get the run's prefix (`runPrefix`),
 * except a spool, which the next run looks for.
 */
export const scratchNames = {
  /** Of the main video, or a further one. */
  segment: (index: number, video: number): string => `segment-${index}${numbered(video)}.nut`,
  rows: (index: number): string => `segment-${index}.rows`,
  spool: (index: number): string => `spool-${index}.i420`,
  output: (container: string, video: number): string => `output${numbered(video)}.${container}`,
  /** Of the first table, or a further one. */
  table: (at: number, suffix: string): string => `table${numbered(at)}.${suffix}`,
  picture: (index: number, place: number): string => `picture-${index}-${place}`,
} as const;

const SEGMENT = /^segment-(\d{6,})(?:-\d+)?\.(?:json|nut|rows)$/;
const KEPT = /^(?:journal\.json|publication\.json)$/;
const RUN_FILE =
  /^run-[0-9a-f]{16}-(?:segment-\d+(?:-\d+)?\.(?:nut|rows)|picture-\d+-\d+|table(?:-\d+)?\.\w+|output(?:-\d+)?\.\w+(?:\.trial\.\w+)?(?:\.cover-\d+|\.opus)?)$/;
const SPOOL = /^spool-\d+\.i420$/;

/**
 * Returns whether `name` is that of a file that a job keeps. Files of other names are not ours and never
 * removed.
 */
export function isKept(name: string): boolean {
  return KEPT.test(name) || SEGMENT.test(name);
}

/** Returns whether `name` is that of a file that a job makes in its scratch folder; likewise. */
export function isInScratch(name: string): boolean {
  return SPOOL.test(name) || isRunFile(name);
}

/** Returns whether only the run that made a file of this name uses it: no later one ever opens it. */
export function isRunFile(name: string): boolean {
  return RUN_FILE.test(name);
}

/**
 * Returns a prefix for the names of files that a run's child processes write. A child may outlive its run and
 * write on. It does no harm, because no later run uses the name.
 */
export function runPrefix(): string {
  return `run-${randomBytes(8).toString('hex')}-`;
}

/**
 * Refuses a folder that holds `foreign` files and no journal: it is someone else's.
 *
 * @throws {JobError} journal: when it does.
 */
export function refuseForeignFiles(
  location: string,
  names: readonly string[],
  foreign: readonly string[],
): void {
  const [first] = foreign;
  if (first === undefined || names.includes(HEADER)) return;
  throw new JobError('journal', `${location} holds files but no journal (${first}, ...)`, {
    hint: 'give another --work-dir, or empty that folder',
  });
}
