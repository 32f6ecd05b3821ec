/** The child processes of this program: what they get of the environment, and how they end with it. */
import type { ChildProcess } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { identityIn, identityOf, type ProcessIdentity, stateOf } from './process-identity.js';
import { redact } from './secret.js';

/**
 * The variables that FFmpeg, its libraries and drivers read: programs and libraries, language, folders,
 * fonts, devices; and the rank, for scripts that stand in for FFmpeg. No others are passed on, not even
 * FFREPORT: launchers keep whole command lines in variables, whose names change.
 */
const NEEDED = new RegExp(
  `^(?:${[
    ...['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'TZ', 'TMPDIR', 'LANG', 'LANGUAGE', 'LC_\\w+', 'LD_\\w+'],
    ...['XDG_\\w+', 'FONTCONFIG_\\w+', 'FREI0R_PATH', 'LADSPA_PATH', 'FFMPEG_DATADIR', 'SVT_LOG'],
    ...['AV_LOG_FORCE_NOCOLOR', 'NO_COLOR', 'GLIBC_TUNABLES', 'MALLOC_\\w+', 'OMP_\\w+', 'OPENSSL_\\w+'],
    ...['OMPI_COMM_WORLD_(?:LOCAL_)?RANK', 'PMIX?_RANK', 'SLURM_(?:PROC|LOCAL)ID'],
    ...[
      'CUDA_\\w+',
      'NVIDIA_\\w+',
      'LIBVA_\\w+',
      'VDPAU_\\w+',
      'DRI_PRIME',
      'MESA_\\w+',
      'OCL_\\w+',
      'VK_\\w+',
    ],
  ].join('|')})$`,
);
/** The variable that names a child's parent, for `endOrphans`. */
const PARENT = 'FRAMESCATTER_PARENT';
const OURSELVES = JSON.stringify(await identityOf());

/**
 * Returns the environment for a child process, which parses untrusted files: what FFmpeg needs, and no
 * secret.
 */
export function childEnvironment(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const needed = Object.entries(env).filter(
    ([name, value = '']) => NEEDED.test(name) && redact(value) === value,
  );
  return { ...Object.fromEntries(needed), [PARENT]: OURSELVES };
}

const children = new Set<ChildProcess>();

/**
 * Kills `child` when this process exits in order. If this process is killed, the closed pipes stop most
 * children. But a child that writes a file takes a closed pipe for the end of its input. (Linux can kill a
 * child with its parent, but only the child itself can ask for it, before it becomes ffmpeg, and Node runs no
 * code there.) No later run uses what such a child writes, and `endOrphans` ends it.
 */
export function killOnExit(child: ChildProcess): void {
  if (child.pid === undefined) return;
  if (children.size === 0) process.on('exit', killChildren);
  children.add(child);
  child.once('exit', () => {
    children.delete(child);
    if (children.size === 0) process.off('exit', killChildren);
  });
}

/** Returns the pids of the children that run or have been stopped. */
export function childPids(): readonly number[] {
  return [...children].flatMap(({ pid }) => pid ?? []);
}

/** Kills all children, for an end that is not orderly. */
export function killChildren(): void {
  for (const child of children) child.kill('SIGKILL');
}

/** Kills this user's children of dead framescatter processes on this machine. */
export async function endOrphans(): Promise<void> {
  for (const entry of await fs.readdir('/proc').catch(() => [])) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const parent = parentIn(await fs.readFile(`/proc/${pid}/environ`, 'utf8').catch(() => ''));
    if (parent === undefined || (await stateOf(parent)) !== 'dead') continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has just ended, or is another user's.
    }
  }
}

function parentIn(environment: string): Partial<ProcessIdentity> | undefined {
  const entry = environment.split('\0').find((variable) => variable.startsWith(`${PARENT}=`));
  try {
    return entry === undefined ? undefined : identityIn(JSON.parse(entry.slice(PARENT.length + 1)));
  } catch {
    return undefined;
  }
}
