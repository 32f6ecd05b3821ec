import { JobError } from '../errors.js';

/** What the journal is of. It goes last of all, so that what a cut removal leaves is still a journal. */
export const HEADER = 'journal.json';

/** Name of a segment's record or data. */
export function segmentName(index: number, suffix: 'json' | 'nut'): string {
  return `segment-${String(index).padStart(6, '0')}.${suffix}`;
}

/** Names of files that are being written, in the scratch folder. */
export const scratchNames = {
  segment: (index: number): string => `segment-${index}.nut`,
  spool: (index: number): string => `spool-${index}.i420`,
  output: (container: string): string => `output.${container}`,
} as const;

const KEPT = /^(?:journal\.json|segment-\d{6,}\.(?:json|nut))$/;
const IN_SCRATCH = /^(?:segment-\d+\.nut|spool-\d+\.i420|(?:output|trial)\.\w+(?:\.cover-\d+)?)$/;

/** True of what a job keeps. Nothing of another name is ever removed: it is not ours. */
export function isKept(name: string): boolean {
  return KEPT.test(name);
}

/** True of what a job makes in its scratch folder, likewise. */
export function isInScratch(name: string): boolean {
  return IN_SCRATCH.test(name);
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
