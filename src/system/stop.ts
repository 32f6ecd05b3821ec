import { JobError } from './errors.js';

/**
 * Signals that ask a job to stop. Schedulers and terminals send INT and TERM, a closed terminal HUP, Ctrl-\
 * QUIT. Our batch scripts send USR2: srun and mpirun pass it on to every rank without killing anything (USR1
 * is Node's).
 */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const;

/** Time for the frames in flight after a signal; then the process ends without them. */
const GRACE_MS = 30_000;

/** Watched signals. Disposing of it lets them have their default effect again. */
export interface StopRequest extends Disposable {
  /** Returns what stops the job: the first signal that came, or the reason of the first request; if any. */
  readonly reason: () => string | undefined;
  /** Stops the job as a signal does, but waits for the frames in flight however long they take. */
  request(reason: string): void;
  /** Aborted by either, for work that need not finish: transfers. */
  readonly aborted: AbortSignal;
}

/**
 * Watches for signals. After the first one, rank 0 finishes the frames in flight and ends the job in order. A
 * second one, or `GRACE_MS` after `onLate` is called, ends this process at once, and with it the job. The job
 * can still be resumed.
 */
export function watchForStop(
  onFirst: (signal: NodeJS.Signals) => void,
  onLate: (seconds: number) => void = () => {},
): StopRequest {
  let first: string | undefined;
  let signalled = false;
  const controller = new AbortController();
  function stop(reason: string): void {
    first ??= reason;
    const hint = 'run the same command again to resume';
    controller.abort(new JobError('stopped', `stopped by ${first}`, { hint }));
  }
  const listener = (signal: NodeJS.Signals): void => {
    if (signalled) process.exit(75);
    signalled = true;
    setTimeout(() => {
      onLate(GRACE_MS / 1000);
      process.exit(75);
    }, GRACE_MS).unref();
    onFirst(signal);
    stop(signal);
  };
  for (const name of SIGNALS) process.on(name, listener);
  return {
    reason: () => first,
    request: stop,
    aborted: controller.signal,
    [Symbol.dispose]: () => {
      for (const name of SIGNALS) process.off(name, listener);
    },
  };
}
