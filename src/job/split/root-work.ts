import type { Progress } from '../../report/progress.js';
import type { QueueView } from '../../report/queue-progress.js';
import type { Monitor } from '../../telemetry/metrics.js';
import type { Concealed } from '../../video/frames/decode.js';
import type { StorageContext } from '../context/storage-context.js';
import type { Inspections } from '../journal/inspections.js';
import type { Journal } from '../journal/journal.js';
import type { SegmentRecord } from '../journal/segment-record.js';
import type { Hardware } from '../prepare/hardware.js';

/**
 * The root's side of a running job, with either split. Disposing of it ends everything that still runs, and
 * keeps the journal if there is work to resume.
 */
export interface RootWork extends AsyncDisposable {
  readonly journal: Journal;
  readonly progress: Progress;
  readonly monitor: Monitor;
  readonly hardware: Hardware;
  /** Frames of earlier runs. */
  readonly restored: number;
  /** Warnings so far about damage that was concealed or repaired, and frames that were scaled. */
  readonly warnings: readonly string[];
  readonly concealed: Concealed;
  /** Finishes the last segment at the end of the video. Returns all segments, of earlier runs too. */
  finish(): Promise<readonly SegmentRecord[]>;
  /** Of the segments' videos: the main one, then those of further pictures. */
  readonly inspections: readonly Inspections[];
}

/** The context of the root's work. */
export interface RootContext {
  readonly storage: StorageContext;
  readonly monitor: Monitor;
  /** The root's CUDA device. */
  readonly device: number;
  /** Absent if the job is not one of a queue. */
  readonly queue?: QueueView;
}

/** The start of both kinds of work. */
export interface OpenedWork extends RootContext {
  readonly journal: Journal;
  readonly hardware: Hardware;
  /** True if NaN or infinity from the model ends the job. */
  readonly strict: boolean;
}
