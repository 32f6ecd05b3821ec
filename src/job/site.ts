import type { Log } from '../report/log.js';
import type { Scratch } from '../storage/scratch.js';

/** What the root has at hand to reach files and storage with. */
export interface Site {
  readonly log: Log;
  /** Where what comes from storage is put while the job runs. */
  readonly scratch: Scratch;
  /** Aborted when a signal asks the job to stop. */
  readonly stopped: AbortSignal;
}
