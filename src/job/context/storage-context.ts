import type { Log } from '../../report/log.js';
import type { Scratch } from '../../system/scratch.js';

/** What the root has at hand to reach files and storage with. */
export interface StorageContext extends TransferContext {
  /** Where what comes from storage is put while the job runs. */
  readonly scratch: Scratch;
}

/** What storage is reached with where nothing is fetched from it. */
export interface TransferContext {
  readonly log: Log;
  /** Aborted when a signal asks the job to stop. */
  readonly stopped: AbortSignal;
}
