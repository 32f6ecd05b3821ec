/** The outcome of a run, or the reason for no longer waiting for it. */
export type RunOutcome =
  | { readonly kind: 'done' }
  /** `final`: another attempt would fail in the same way. */
  | { readonly kind: 'failed'; readonly reason: string; readonly final: boolean }
  /** Interrupted by someone else; the same command resumes it. */
  | { readonly kind: 'interrupted'; readonly reason: string }
  /** Another job, perhaps of a dead watcher, is still working on this output. */
  | { readonly kind: 'busy'; readonly reason: string }
  /** Stopped because this watcher is ending; another run resumes it. */
  | { readonly kind: 'stopped' }
  /** This watcher is ending, and the job continues without it. */
  | { readonly kind: 'left' }
  /** The job no longer exists. */
  | { readonly kind: 'gone' };

/** A run to be started. */
export interface Run {
  readonly input: string;
  readonly output: string;
  /** Unique to this run of this video; the same if this run is started again. */
  readonly id: string;
  /** Path of the page that the job writes; absent for none. */
  readonly report?: string;
}

/** Runs jobs, on this machine or a cluster. */
export interface Runner {
  /** Starts a job. Returns an identifier by which any watcher can find it again. */
  start(run: Run): Promise<string>;
  /** Waits for the end of a job. An error means that its state is unknown. */
  follow(job: string): Promise<RunOutcome>;
}

/**
 * The pause of a cluster's runner before it returns `busy`: each attempt is a job, which queues and may cost
 * money.
 */
export const BUSY_PAUSE_MS = 600_000;
