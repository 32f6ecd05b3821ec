import { JobError } from './errors.js';

/**
 * Signals that ask a job to stop: schedulers and terminals send INT and TERM, a terminal that goes HUP, Ctrl-\ QUIT; USR2 is
 * what our batch scripts send, since srun and mpirun pass it on to every rank without killing anything (USR1 belongs to Node).
 */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const;

/** How long the frames in flight may take after a signal before the process ends without them. */
const GRACE_MS = 30_000;

export interface StopRequest {
  /** The first signal that came, if any. */
  readonly signal: () => NodeJS.Signals | undefined;
  /** Aborted by it, for what need not be brought to an end: transfers. */
  readonly aborted: AbortSignal;
  /** Lets the signals have their default effect again. */
  dispose(): void;
}

/**
 * Watches for signals. The first one is remembered: the root finishes the frames in flight and ends the job in order.
 * A second one, or half a minute, of which `onLate` is told, ends this process at once, and with it the job, which can still
 * be resumed.
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
      new JobError('stopped', `stopped by ${signal}`, { hint: 'the same command goes on with it' }),
    );
  };
  for (const name of SIGNALS) process.on(name, listener);
  return {
    signal: () => first,
    aborted: controller.signal,
    dispose: () => {
      for (const name of SIGNALS) process.off(name, listener);
    },
  };
}
