import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { stopSignal } from '../../mpi/stop-signal.js';
import type { Log } from '../../report/log.js';
import { JobError } from '../../system/errors.js';

const USAGE_ERROR = 2;
const STOPPED = 75;
const PAUSE_MS = 1000;
/** Signals that a terminal sends to all its processes; they are passed on to the command's whole group. */
const OF_TERMINALS = ['SIGINT', 'SIGQUIT', 'SIGHUP'] as const;
/** Signals that are sent to one process. */
const OF_OTHERS = ['SIGTERM', 'SIGUSR2'] as const;

/**
 * Runs `command`, usually an mpirun line, and runs it again while it fails, at most `times` more. Every run
 * resumes the work of the last. A usage error is not retried, nor a run that this process was asked to stop.
 * Returns the last run's exit code.
 */
export async function retry(times: number, command: readonly string[], log: Log): Promise<number> {
  for (let attempt = 0; ; attempt += 1) {
    const { code, stopped } = await run(command);
    if (code === 0 || code === USAGE_ERROR || stopped || attempt === times) return code;
    log.warn(`run ${attempt + 1} ended with ${code}; running it again (${times - attempt} left)`);
    await sleep(PAUSE_MS);
  }
}

async function run(
  command: readonly string[],
): Promise<{ readonly code: number; readonly stopped: boolean }> {
  const [program = '', ...rest] = command;
  // A session of its own: a terminal's signal would arrive twice otherwise, and a second one ends a job at
  // once. mpirun does not read from a terminal that is not its own.
  const child = spawn(program, rest, { stdio: 'inherit', detached: true });
  const ofLauncher = stopSignal(program);
  let stopped = false;
  const send = (signal: NodeJS.Signals, toAll: boolean): void => {
    try {
      if (toAll && child.pid !== undefined) process.kill(-child.pid, signal);
      else child.kill(signal);
    } catch {} // it has just ended
  };
  const passOn = (toAll: boolean) => (signal: NodeJS.Signals) => {
    stopped = true;
    void ofLauncher.then((instead) => {
      if (instead === undefined || signal === 'SIGQUIT') send(signal, toAll);
      else send(instead, false);
    });
  };
  const [toOne, toAll] = [passOn(false), passOn(true)];
  for (const signal of OF_OTHERS) process.on(signal, toOne);
  for (const signal of OF_TERMINALS) process.on(signal, toAll);
  try {
    const ended = await new Promise<number>((resolve, reject) => {
      child.on('error', (error) =>
        reject(new JobError('usage', `${program} cannot be run: ${error.message}`)),
      );
      child.on('exit', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
    });
    // The launcher, or a rank, was not yet ready for the signal that asks for an end in order.
    const asked = stopped ? await ofLauncher : undefined;
    const early = asked !== undefined && ended === 128 + constants.signals[asked];
    return { code: early ? STOPPED : ended, stopped };
  } finally {
    for (const signal of OF_OTHERS) process.off(signal, toOne);
    for (const signal of OF_TERMINALS) process.off(signal, toAll);
  }
}
