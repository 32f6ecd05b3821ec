import type { Progress } from '../../report/progress.js';
import type { Monitor } from '../../telemetry/metrics.js';
import type { Concealed } from '../../video/frames/decode.js';
import type { StorageContext } from '../context/storage-context.js';
import type { Inspections } from '../journal/inspections.js';
import type { Journal, SegmentRecord } from '../journal/journal.js';
import type { Hardware } from '../prepare/hardware.js';

/** The root's side of a running job, however its video is split. */
export interface RootWork {
  readonly journal: Journal;
  readonly progress: Progress;
  readonly monitor: Monitor;
  readonly hardware: Hardware;
  /** Frames that earlier runs had done. */
  readonly restored: number;
  /** What was concealed, repaired or scaled so far. */
  readonly warnings: readonly string[];
  readonly concealed: Concealed;
  /** At the end of the video: all segments, of earlier runs too. */
  finish(): Promise<readonly SegmentRecord[]>;
  readonly inspections: Inspections;
  /** Ends what still runs. Keeps the journal if there is anything in it to resume from. */
  close(): Promise<void>;
}

/** Where the root works. */
export interface RootContext {
  readonly storage: StorageContext;
  readonly monitor: Monitor;
  /** Its CUDA device. */
  readonly device: number;
}

/** What both kinds of work begin with. */
export interface OpenedWork extends RootContext {
  readonly journal: Journal;
  readonly hardware: Hardware;
  /** Whether NaN or infinity from the model ends the job. */
  readonly strict: boolean;
}
