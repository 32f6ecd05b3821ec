import { execFile } from 'node:child_process';
import { basename } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const MPIRUN = /^(?:mpirun|mpiexec|orterun|prterun)(?:\.\w+)?$/;
const VERSION_TIMEOUT_MS = 30_000;

/**
 * The signal by which the launcher `program` has its ranks end their job in order; undefined where it is no launcher.
 * Open MPI and srun pass USR2 on to every rank, and kill the ranks soon after TERM or INT. MPICH's mpirun passes TERM
 * and INT on, and dies of USR2.
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
