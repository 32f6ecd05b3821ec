import type { Log } from '../report/log.js';

/** The environment variable with the number of ranks that whoever submitted the job asked for. */
export const EXPECTED_RANKS = 'FRAMESCATTER_EXPECTED_RANKS';

/**
 * Warns if a cluster started fewer ranks than were asked for: the job is right, but takes longer than it was
 * meant to.
 */
export function warnOfMissingRanks(
  ranks: number,
  log: Log,
  environment: NodeJS.ProcessEnv = process.env,
): void {
  const expected = Number(environment[EXPECTED_RANKS]);
  if (!Number.isInteger(expected) || ranks >= expected) return;
  log.warn(
    `${expected} ranks were asked for, and the cluster started ${ranks}: the job takes longer. ` +
      "Check the job's nodes and processes per node (distribution, resources)",
  );
}
