import { execFile } from 'node:child_process';
import { basename } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const MPIRUN = /^(?:mpirun|mpiexec|orterun|prterun)(?:\.\w+)?$/;
const VERSION_TIMEOUT_MS = 30_000;

/**
 * Returns the signal that makes the launcher `program` stop its ranks in order; undefined if it is not a
 * launcher. Open MPI and srun forward USR2 to every rank, and kill the ranks soon after TERM or INT. MPICH's
 * mpirun forwards TERM and INT, and dies of USR2.
 */
export async function stopSignal(program: string): Promise<'SIGUSR2' | 'SIGTERM' | undefined> {
  const name = basename(program);
  if (name === 'srun') return 'SIGUSR2';
  if (!MPIRUN.test(name)) return undefined;
  const { stdout } = await run(program, ['--version'], { timeout: VERSION_TIMEOUT_MS }).catch(() => ({
    stdout: '',
  }));
  return /Open MPI|OpenRTE|PRRTE/.test(stdout) ? 'SIGUSR2' : 'SIGTERM';
}
