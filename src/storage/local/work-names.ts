import { randomBytes } from 'node:crypto';
import { JobError } from '../../system/errors.js';

/** What the journal is of. It goes last of all, so that what a cut removal leaves is still a journal. */
export const HEADER = 'journal.json';

/** What the output will be known by, written just before it is put in place. It outlasts the header. */
export const PUBLICATION = 'publication.json';

/** Name of a segment's record or data. */
export function segmentName(index: number, suffix: 'json' | 'nut'): string {
  return `segment-${String(index).padStart(6, '0')}.${suffix}`;
}

/**
 * Names of files that are being written, in the scratch folder. All but a spool's, which the next run looks for, get a mark of
 * the run in front of them (`markOfRun`).
 */
export const scratchNames = {
  segment: (index: number): string => `segment-${index}.nut`,
  spool: (index: number): string => `spool-${index}.i420`,
  output: (container: string): string => `output.${container}`,
} as const;

const KEPT = /^(?:journal\.json|publication\.json|segment-\d{6,}\.(?:json|nut))$/;
const OF_A_RUN =
  /^run-[0-9a-f]{16}-(?:segment-\d+\.nut|output\.\w+(?:\.trial\.\w+)?(?:\.cover-\d+|\.opus)?)$/;
const SPOOL = /^spool-\d+\.i420$/;

/** True of what a job keeps. Nothing of another name is ever removed: it is not ours. */
export function isKept(name: string): boolean {
  return KEPT.test(name);
}

/** True of what a job makes in its scratch folder, likewise. */
export function isInScratch(name: string): boolean {
  return SPOOL.test(name) || isOfARun(name);
}

/** True of what only the run that made it has a use for: nothing of the name is ever opened by a later one. */
export function isOfARun(name: string): boolean {
  return OF_A_RUN.test(name);
}

/**
 * What a run puts in front of the names of files that its child processes write. A child may outlive its run and write on: no
 * later run uses a name of an earlier one's, so it does no harm.
 */
export function markOfRun(): string {
  return `run-${randomBytes(8).toString('hex')}-`;
}

/** Refuses a place that holds `strangers` and no journal: it is somebody else's. JobError `journal`. */
export function refuseStrangers(
  location: string,
  names: readonly string[],
  strangers: readonly string[],
): void {
  const [stranger] = strangers;
  if (stranger === undefined || names.includes(HEADER)) return;
  throw new JobError('journal', `${location} holds files but no journal (${stranger}, ...)`, {
    hint: 'give another --work-dir, or empty that folder',
  });
}
