import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { World } from '../../mpi/world.js';
import { deviceOf, visibleGpus } from '../../system/devices.js';
import { messageOf } from '../../system/errors.js';
import type { EncodeSpec } from '../../video/codecs/codec.js';
import { type Failed, tryNvdec, tryNvenc } from '../../video/frames/nvidia-trial.js';
import { ofPiece, sampleOf } from '../../video/split/sample.js';
import type { RunOptions } from '../context/options.js';
import type { StorageContext } from '../context/storage-context.js';
import { type HardwareRequest, hardwareRequest, isToBeTried, type RankTrial } from './hardware.js';
import type { PreparedJob } from './prepare.js';

/** The results of the trials, on the root. */
export interface HardwareTrials {
  readonly request: HardwareRequest;
  /**
   * The result of each rank, the root first. Other ranks are tried only if they may have to decode and
   * encode.
   */
  readonly ranks: readonly RankTrial[];
}

/** The facts that the other ranks need for their trials. */
type Task = Pick<PreparedJob, 'source' | 'wire'> & {
  /** Undefined: nothing is encoded. */
  readonly spec: EncodeSpec | undefined;
  readonly request: HardwareRequest;
};

/** Most characters of a reason that go to the root. */
const MOST_REASON = 500;

/**
 * Tries the requested engines on the root and, if the video may be split into segments, on all ranks
 * together: the other ranks, in `followHardwareTrials`, get the first packets of the video for it. Returns
 * the results.
 */
export async function leadHardwareTrials(
  world: World,
  options: RunOptions,
  prepared: PreparedJob,
  storage: StorageContext,
): Promise<HardwareTrials> {
  const task = taskOf(options, prepared);
  const { request } = task;
  if (options.hwaccel === 'none') return { request, ranks: [] };
  if (options.split === 'frames') return { request, ranks: [await tryHere(world, task, storage)] };
  await world.broadcastValue(task);
  await world.broadcastBytes(await sampleFor(task));
  const ranks = await world.collect(await tryHere(world, task, storage));
  return { request, ranks: ranks ?? [] };
}

/**
 * Tries the engines of any other rank, if it may have to decode and encode, and sends the result to the root.
 */
export async function followHardwareTrials(
  world: World,
  options: RunOptions,
  storage: StorageContext,
): Promise<void> {
  if (options.hwaccel === 'none' || options.split === 'frames') return;
  const task = await world.broadcastValue<Task>();
  const sample = await world.broadcastBytes();
  await world.collect(await tryHere(world, task, storage, sample));
}

function taskOf({ hwaccel, tolerant }: RunOptions, prepared: PreparedJob): Task {
  const { source, wire, video } = prepared;
  return { source, wire, spec: video?.spec, request: hardwareRequest(hwaccel, prepared, tolerant) };
}

/**
 * Returns the first packets of the video; no bytes if they cannot be cut: such a video is not split into
 * segments.
 */
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
  const encode = async () => spec && tryNvenc(spec, gpu, await storage.scratch.folder());
  const [nvdec, nvenc] = await Promise.all([
    isToBeTried(request, 'nvdec') ? decode().catch(untried) : null,
    isToBeTried(request, 'nvenc') ? encode().catch(untried) : null,
  ]);
  return { ...me, nvdec: nvdec && shortened(nvdec), nvenc: nvenc ? shortened(nvenc) : null };
}

/** Returns an error in the trial itself as its result. */
function untried(error: unknown): Failed {
  return { works: false, why: messageOf(error) };
}

function shortened<T extends { readonly works: true } | Failed>(trial: T): T {
  return trial.works ? trial : { ...trial, why: trial.why.slice(0, MOST_REASON) };
}
