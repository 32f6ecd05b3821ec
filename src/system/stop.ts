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
  /** Returns the first signal that came, if any. */
  readonly signal: () => NodeJS.Signals | undefined;
  /** Aborted by that signal, for work that need not finish: transfers. */
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
  let first: NodeJS.Signals | undefined;
  const controller = new AbortController();
  const listener = (signal: NodeJS.Signals): void => {
    if (first !== undefined) process.exit(75);
    first = signal;
    setTimeout(() => {
      onLate(GRACE_MS / 1000);
      process.exit(75);
    }, GRACE_MS).unref();
    onFirst(signal);
    controller.abort(
      new JobError('stopped', `stopped by ${signal}`, { hint: 'run the same command again to resume' }),
    );
  };
  for (const name of SIGNALS) process.on(name, listener);
  return {
    signal: () => first,
    aborted: controller.signal,
    [Symbol.dispose]: () => {
      for (const name of SIGNALS) process.off(name, listener);
    },
  };
}
