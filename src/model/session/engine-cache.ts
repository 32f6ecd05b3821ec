import { createHash } from 'node:crypto';
import { lstat, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { messageOf } from '../../system/errors.js';

/**
 * The cache of TensorRT's engines, which take minutes to build: one folder for each graph, GPU and ONNX
 * Runtime. Only this user may write to it.
 */
export interface EngineCache {
  /** The folder of all engine folders; undefined if this user has none. */
  readonly root: string | undefined;
  /** The name of this graph's folder. */
  readonly key: string;
}

/**
 * Returns the cache's folder, by the XDG Base Directory Specification; undefined for a user without a home.
 */
export function engineRoot(
  environment: NodeJS.ProcessEnv = process.env,
  home: () => string = homedir,
): string | undefined {
  const named = environment.XDG_CACHE_HOME;
  try {
    const cache = named !== undefined && isAbsolute(named) ? named : join(home(), '.cache');
    return join(cache, 'framescatter', 'tensorrt');
  } catch {
    return undefined; // a container's user may be a number without a passwd entry
  }
}

/**
 * Returns the key of a graph's engines. They also depend on `facts`: ONNX Runtime's version and the GPU
 * models.
 */
export function engineKey(graph: Uint8Array, facts: readonly string[]): string {
  const digest = createHash('sha256').update(graph).digest('hex');
  return createHash('sha256')
    .update(JSON.stringify([digest, ...facts]))
    .digest('hex');
}

/**
 * Opens a session by `create`, which gets the folder where TensorRT reads engines and writes new ones;
 * undefined if engines cannot be cached, which goes to `note`. New engines are built in a temporary folder
 * and renamed, so that ranks and nodes with a shared home never read half of one. Engines with which no
 * session opens (of another TensorRT, or damaged) are replaced.
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
    if (root === undefined) throw new Error('this user has no home folder, and XDG_CACHE_HOME is not set');
    kept = join(root, key);
    await mkdir(root, { recursive: true, mode: 0o700 });
    await refuseOthers(root);
    found = await exists(kept);
    if (found) await refuseOthers(kept);
    building = await mkdtemp(join(root, 'building-'));
  } catch (error) {
    note(`TensorRT's engines cannot be cached, so each job builds them: ${messageOf(error)}`);
    return create(undefined);
  }
  try {
    if (found) {
      // If it fails without these engines too, that error is thrown.
      const opened = await create(kept).then(
        (session) => ({ session }),
        () => undefined,
      );
      if (opened !== undefined) return opened.session;
    }
    const session = await create(building);
    if (found) await rm(kept, { recursive: true, force: true });
    // Another node may have finished first.
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

/** Refuses a folder that others can write to: engines are programs. */
async function refuseOthers(folder: string): Promise<void> {
  const found = await lstat(folder);
  const mine = process.getuid === undefined || found.uid === process.getuid();
  if (!found.isDirectory() || !mine || (found.mode & 0o022) !== 0) {
    throw new Error(`${folder} is not a folder that only you can write to`);
  }
}
