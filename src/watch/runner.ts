/** How a run ended, or why it is not waited for any more. */
export type Ending =
  | { readonly kind: 'done' }
  /** `final` where another try would fail likewise. */
  | { readonly kind: 'failed'; readonly reason: string; readonly final: boolean }
  /** Cut off by somebody else; the same command goes on from there. */
  | { readonly kind: 'interrupted'; readonly reason: string }
  /** Another job, perhaps of a watcher that died, still works on this output. */
  | { readonly kind: 'busy'; readonly reason: string }
  /** Stopped because this watcher is to end; another run goes on from there. */
  | { readonly kind: 'stopped' }
  /** This watcher is to end, and the job goes on without it. */
  | { readonly kind: 'left' }
  /** Nothing is known of it any more. */
  | { readonly kind: 'gone' };

/** One run to be started. */
export interface Run {
  readonly input: string;
  readonly output: string;
  /** Different for each run of each video, and the same when this very run is started again. */
  readonly id: string;
}

/** Where jobs run. */
export interface Runner {
  /** Starts a job. Gives by what it can be found again, by another watcher too. */
  start(run: Run): Promise<string>;
  /** Waits for a job's end. An error says that it is out of sight, and nothing of how it does. */
  follow(job: string): Promise<Ending>;
}

/** How long a cluster's runner waits before it says `busy`: each look is a job there, which queues and may cost. */
export const BUSY_PAUSE_MS = 600_000;
