import { createHash } from 'node:crypto';
import { lstat, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { messageOf } from '../../system/errors.js';

/** TensorRT's engines, which take minutes to build: one folder for each graph, GPU and ONNX Runtime, for this user alone. */
export interface EngineCache {
  /** The folder that holds all folders of engines; undefined where this user has none. */
  readonly root: string | undefined;
  /** The name of this graph's folder. */
  readonly key: string;
}

/** In the user's cache folder, as the XDG Base Directory Specification has it; undefined for a user without a home. */
export function engineRoot(
  environment: NodeJS.ProcessEnv = process.env,
  home: () => string = homedir,
): string | undefined {
  const named = environment.XDG_CACHE_HOME;
  try {
    const cache = named !== undefined && isAbsolute(named) ? named : join(home(), '.cache');
    return join(cache, 'framescatter', 'tensorrt');
  } catch {
    return undefined; // a container's user may be a number that no file knows
  }
}

/** A name for a graph's engines. `facts` are what else they depend on: ONNX Runtime's version, the kinds of GPU. */
export function engineKey(graph: Uint8Array, facts: readonly string[]): string {
  const digest = createHash('sha256').update(graph).digest('hex');
  return createHash('sha256')
    .update(JSON.stringify([digest, ...facts]))
    .digest('hex');
}

/**
 * Opens a session by `create`, which is given the folder that TensorRT takes engines from and puts new ones into; none where
 * nothing can be kept, which a note says. New engines are built aside and appear whole, so ranks and nodes that share a
 * home never read half of one. Engines that no session opens with, of another TensorRT or damaged, are replaced.
 */
export async function withEngines<T>(
  cache: EngineCache,
  create: (folder: string | undefined) => Promise<T>,
  note: (line: string) => void,
): Promise<T> {
  const { root, key } = cache;
  let kept: string;
  let found: boolean;
  let building: string;
  try {
    if (root === undefined) throw new Error('this user has no home folder; XDG_CACHE_HOME may name a place');
    kept = join(root, key);
    await mkdir(root, { recursive: true, mode: 0o700 });
    await refuseOthers(root);
    found = await exists(kept);
    if (found) await refuseOthers(kept);
    building = await mkdtemp(join(root, 'building-'));
  } catch (error) {
    note(`TensorRT's engines cannot be kept, and each job builds them: ${messageOf(error)}`);
    return create(undefined);
  }
  try {
    if (found) {
      // What fails with these engines may fail without them too, and says why then.
      const opened = await create(kept).then(
        (session) => ({ session }),
        () => undefined,
      );
      if (opened !== undefined) return opened.session;
    }
    const session = await create(building);
    if (found) await rm(kept, { recursive: true, force: true });
    // Another node may have been first.
    await rename(building, kept).catch(() => {});
    return session;
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

async function exists(folder: string): Promise<boolean> {
  return lstat(folder).then(
    () => true,
    () => false,
  );
}

/** Engines are programs: whoever can write them decides what runs here. */
async function refuseOthers(folder: string): Promise<void> {
  const found = await lstat(folder);
  const mine = process.getuid === undefined || found.uid === process.getuid();
  if (!found.isDirectory() || !mine || (found.mode & 0o022) !== 0) {
    throw new Error(`${folder} is not a folder that only you can write to`);
  }
}
