import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { World } from '../../mpi/world.js';
import { deviceOf, visibleGpus } from '../../system/devices.js';
import { messageOf } from '../../system/errors.js';
import { type Failed, tryNvdec, tryNvenc } from '../../video/frames/nvidia-trial.js';
import { ofPiece, sampleOf } from '../../video/split/sample.js';
import type { RunOptions } from '../context/options.js';
import type { StorageContext } from '../context/storage-context.js';
import { type HardwareRequest, hardwareRequest, isToBeTried, type RankTrial } from './hardware.js';
import type { PreparedJob } from './prepare.js';

/** What the root knows after the trials. */
export interface HardwareTrials {
  readonly request: HardwareRequest;
  /** What each rank found, the root first; other ranks only where they may have to decode and encode. */
  readonly ranks: readonly RankTrial[];
}

/** What the other ranks need for theirs. */
type Task = Pick<PreparedJob, 'source' | 'wire' | 'spec'> & { readonly request: HardwareRequest };

/** As much of a reason as travels to the root. */
const MOST_REASON = 500;

/**
 * Tries the engines that are wanted, on the root, and on all ranks together where the video may be split into segments;
 * they have the first packets of the video to try theirs on. Gives what was found, on the root.
 */
export async function tryHardware(
  world: World,
  options: RunOptions,
  prepared: PreparedJob | undefined,
  storage: StorageContext,
): Promise<HardwareTrials | undefined> {
  const mine = prepared && taskOf(options, prepared);
  if (options.hwaccel === 'none') return mine && { request: mine.request, ranks: [] };
  if (options.split === 'frames')
    return mine && { request: mine.request, ranks: [await tryHere(world, mine, storage)] };
  const task = await world.broadcastValue(mine);
  const sample = await world.broadcastBytes(mine && (await sampleFor(mine)));
  const trial = await tryHere(world, mine ?? task, storage, world.isRoot ? undefined : sample);
  const ranks = await world.collect(trial);
  return ranks && { request: task.request, ranks };
}

function taskOf({ hwaccel, tolerant }: RunOptions, prepared: PreparedJob): Task {
  const { source, wire, spec } = prepared;
  return { source, wire, spec, request: hardwareRequest(hwaccel, prepared, tolerant) };
}

/** No bytes where it cannot be made: such a video is not cut into segments either. */
async function sampleFor({ request, source }: Task): Promise<Uint8Array> {
  if (!isToBeTried(request, 'nvdec')) return new Uint8Array(0);
  return sampleOf(source).catch(() => new Uint8Array(0));
}

async function tryHere(
  world: World,
  task: Task,
  storage: StorageContext,
  sample?: Uint8Array,
): Promise<RankTrial> {
  const gpu = deviceOf(world.localRank);
  const { source, wire, spec, request } = task;
  const me = { rank: world.rank, host: world.host, gpus: visibleGpus() };
  const decode = async () => {
    if (sample === undefined) return tryNvdec(source, wire, gpu);
    const path = join(await storage.scratch.folder(), 'nvdec-trial.nut');
    await writeFile(path, sample);
    return tryNvdec(ofPiece(source, path), wire, gpu);
  };
  const encode = async () => tryNvenc(spec, gpu, await storage.scratch.folder());
  const [nvdec, nvenc] = await Promise.all([
    isToBeTried(request, 'nvdec') ? decode().catch(untried) : null,
    isToBeTried(request, 'nvenc') ? encode().catch(untried) : null,
  ]);
  return { ...me, nvdec: nvdec && shortened(nvdec), nvenc: nvenc && shortened(nvenc) };
}

function untried(error: unknown): Failed {
  return { works: false, why: messageOf(error) };
}

function shortened<T extends { readonly works: true } | Failed>(trial: T): T {
  return trial.works ? trial : { ...trial, why: trial.why.slice(0, MOST_REASON) };
}
