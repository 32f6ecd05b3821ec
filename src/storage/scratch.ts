import { rmSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JobError, messageOf } from '../errors.js';
import { identityOf, type ProcessIdentity, stateOf } from './process-identity.js';

/** A private folder on this machine for one process, made when it is first asked for. */
export interface Scratch {
  /** The folder's path. */
  folder(): Promise<string>;
  /** JobError `limit` unless its file system has room for `bytes` more. */
  refuseIfFull(bytes: number, what: string): Promise<void>;
  /** Removes it with all that is in it. Idempotent. */
  dispose(): Promise<void>;
}

const PREFIX = 'framescatter-';
const OWNER = 'owner.json';

/**
 * Opens a scratch in TMPDIR, else SLURM_TMPDIR, else the system's folder for temporary files. It is removed at the latest
 * when the process exits; what a killed process left is removed by the next one on the same machine.
 */
export function openScratch(env: NodeJS.ProcessEnv = process.env): Scratch {
  const base = env.TMPDIR || env.SLURM_TMPDIR || tmpdir();
  let made: Promise<string> | undefined;
  let path: string | undefined;
  const removeNow = (): void => {
    if (path !== undefined) rmSync(path, { recursive: true, force: true });
  };

  async function make(): Promise<string> {
    await removeLeftovers(base);
    try {
      path = await fs.mkdtemp(join(base, PREFIX));
    } catch (error) {
      throw new JobError('limit', `no scratch folder can be made in ${base}: ${messageOf(error)}`, {
        hint: 'set TMPDIR to a folder on this machine that can be written',
      });
    }
    process.once('exit', removeNow);
    await fs.writeFile(join(path, OWNER), JSON.stringify(await identityOf()));
    return path;
  }

  const folder = (): Promise<string> => {
    made ??= make();
    return made;
  };

  return {
    folder,
    async refuseIfFull(bytes, what) {
      const { bavail, bsize } = await fs.statfs(await folder());
      if (bavail * bsize >= bytes) return;
      const gib = (count: number): string => `${(count / 2 ** 30).toFixed(1)} GiB`;
      throw new JobError(
        'limit',
        `${what} needs ${gib(bytes)} in ${base}, which has ${gib(bavail * bsize)} left`,
        {
          hint: 'set TMPDIR to a folder on this machine with more room',
        },
      );
    },
    async dispose() {
      await made?.catch(() => {});
      if (path !== undefined) await fs.rm(path, { recursive: true, force: true });
      process.off('exit', removeNow);
    },
  };
}

/** Removes the scratches of processes that are surely dead. */
async function removeLeftovers(base: string): Promise<void> {
  const names = await fs.readdir(base).catch(() => []);
  for (const name of names.filter((one) => one.startsWith(PREFIX))) {
    const owner = await readOwner(join(base, name, OWNER));
    if (owner === undefined || (await stateOf(owner)) !== 'dead') continue;
    await fs.rm(join(base, name), { recursive: true, force: true }).catch(() => {});
  }
}

async function readOwner(path: string): Promise<ProcessIdentity | undefined> {
  try {
    return JSON.parse(await fs.readFile(path, 'utf8')) as ProcessIdentity;
  } catch {
    return undefined; // another user's, or not yet written: left alone
  }
}
