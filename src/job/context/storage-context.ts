import type { Log } from '../../report/log.js';
import type { Scratch } from '../../system/scratch.js';

/** The context of downloads from storage. */
export interface StorageContext extends TransferContext {
  /** Temporary folder of downloaded files while the job runs. */
  readonly scratch: Scratch;
}

/** The context of access to storage without downloads. */
export interface TransferContext {
  readonly log: Log;
  /** Aborted when a signal stops the job. */
  readonly stopped: AbortSignal;
}
