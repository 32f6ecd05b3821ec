import { closeSync, constants, fstatSync, openSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JobError, messageOf } from './errors.js';
import { readRegular } from './own-files.js';
import { identityIn, identityOf, type ProcessIdentity, stateOf } from './process-identity.js';

/**
 * A private folder on this machine for one process, made when it is first asked for. Disposing of it removes
 * the folder and everything in it. Idempotent.
 */
export interface Scratch extends AsyncDisposable {
  /** The folder's path. */
  folder(): Promise<string>;
  /**
   * Checks that its file system has room for `bytes` more.
   *
   * @throws {JobError} limit: when it has not; the message says that `what` needs the room.
   */
  refuseIfFull(bytes: number, what: string): Promise<void>;
}

const PREFIX = 'framescatter-';
const OWNER = 'owner.json';

/**
 * Opens a scratch in TMPDIR, else in SLURM_TMPDIR, else in the system's folder for temporary files. It is
 * removed when the process exits, at the latest. The next process of this user on this machine removes what a
 * killed one left.
 */
export function openScratch(env: NodeJS.ProcessEnv = process.env, user = process.geteuid?.()): Scratch {
  const base = env.TMPDIR || env.SLURM_TMPDIR || tmpdir();
  let made: Promise<string> | undefined;
  let own: OpenFolder | undefined;
  const removeNow = (): void => {
    if (own !== undefined) removeOpened(own);
    own = undefined;
  };

  async function make(): Promise<string> {
    await removeLeftovers(base, user);
    try {
      const path = await fs.mkdtemp(join(base, PREFIX));
      own = openPrivate(path, user);
      if (own === undefined) throw new Error(`other users have access to ${path}`);
      process.once('exit', removeNow);
      await fs.writeFile(join(inside(own), OWNER), JSON.stringify(await identityOf()), { flag: 'wx' });
      return path;
    } catch (error) {
      throw new JobError('limit', `cannot make a scratch folder in ${base}: ${messageOf(error)}`, {
        hint: 'set TMPDIR to a writable folder on this machine',
      });
    }
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
    async [Symbol.asyncDispose]() {
      await made?.catch(() => {});
      removeNow();
      process.off('exit', removeNow);
    },
  };
}

/** A folder that is held open. It stays the same one, even if its name comes to refer to another. */
interface OpenFolder {
  readonly path: string;
  readonly descriptor: number;
}

/**
 * Opens the folder at `path` if it is a real folder that belongs to `user` and that no one else can access.
 * What lies in it then is that user's. Undefined for any other.
 */
function openPrivate(path: string, user: number | undefined): OpenFolder | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch {
    return undefined;
  }
  const { uid, mode } = fstatSync(descriptor);
  if (uid === user && (mode & 0o077) === 0) return { path, descriptor };
  closeSync(descriptor);
  return undefined;
}

function inside({ descriptor }: OpenFolder): string {
  return `/proc/self/fd/${descriptor}`;
}

/**
 * Removes a private folder and what is in it. If its name has become someone else's, rmdir fails and nothing
 * is lost.
 */
function removeOpened(folder: OpenFolder): void {
  try {
    for (const name of readdirSync(inside(folder)))
      rmSync(join(inside(folder), name), { recursive: true, force: true });
    rmdirSync(folder.path);
  } catch {
    // What cannot be removed stays: there is no one to tell when a process ends.
  } finally {
    closeSync(folder.descriptor);
  }
}

/**
 * Removes the scratches of this user's dead processes. Anyone may make folders of such names: those stay, and
 * links are not followed.
 */
async function removeLeftovers(base: string, user: number | undefined): Promise<void> {
  const names = await fs.readdir(base).catch(() => []);
  for (const name of names.filter((one) => one.startsWith(PREFIX))) {
    const folder = openPrivate(join(base, name), user);
    if (folder === undefined) continue;
    const owner = await readOwner(join(inside(folder), OWNER));
    if (owner !== undefined && (await stateOf(owner)) === 'dead') removeOpened(folder);
    else closeSync(folder.descriptor);
  }
}

async function readOwner(path: string): Promise<Partial<ProcessIdentity> | undefined> {
  try {
    return identityIn(JSON.parse(await readRegular(path)));
  } catch {
    return undefined; // not yet written: left alone
  }
}
