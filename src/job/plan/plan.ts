/** Plans a job: its speed, time, memory, traffic and cost on some nodes, before any of its work. */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { haloOf } from '../../model/ports/window.js';
import { JobError } from '../../system/errors.js';
import { isRefusal } from '../../system/refusal.js';
import { planCut } from '../../video/split/cut.js';
import type { Machine, RankMachine } from '../context/machine.js';
import type { JobOptions } from '../context/options.js';
import { framesTaken, samplingOf } from '../context/sampling.js';
import type { StorageContext } from '../context/storage-context.js';
import { pipelineShape } from '../job.js';
import { inFolder, isFolder } from '../output/output-folders.js';
import { fewerFrames } from '../prepare/batch.js';
import { refuseLargeBuffers } from '../prepare/buffer-limits.js';
import { planMemory } from '../prepare/memory-plan.js';
import { type PreparedJob, prepareJob } from '../prepare/prepare.js';
import { pieceSizeOf, staysWhole } from '../split/choose.js';
import { type Calibration, calibrate } from './calibrate.js';
import { type GpuNode, gpuBound } from './gpu-bound.js';
import type { PlanOptions } from './plan-options.js';
import {
  bestOf,
  type NodeSpeeds,
  type PlannedWork,
  type Prediction,
  predict,
  type Ranks,
} from './predict.js';

/** A row of a plan: a job on some ranks. */
export type PlanRow = Ranks & { readonly ranks: number } & (
    | (Prediction & {
        /** Bytes of rank 0, and of any other rank; undefined if nobody knows. */
        readonly memory: { readonly root: number; readonly other: number | undefined } | undefined;
        /** In the unit of `--price`; undefined without one. */
        readonly cost: number | undefined;
        readonly best: boolean;
      })
    /** Why there is no such job. */
    | { readonly refused: string }
  );

/** A plan, as `--json` prints it. */
export interface Plan {
  readonly plan: 1;
  readonly version: string;
  readonly input: {
    readonly path: string;
    readonly bytes: number;
    readonly codec: string;
    readonly width: number;
    readonly height: number;
  };
  readonly model: { readonly name: string; readonly size: string | undefined; readonly sha256: string };
  readonly frames: number;
  /** The nodes: this machine, as measured, or a VM size, whose GPUs were not. */
  readonly nodes: { readonly kind: 'measured' | 'bound'; readonly name: string };
  readonly provider: string;
  readonly precision: string;
  readonly measured: NodeSpeeds;
  /** The part of the time that threads had a core when they wanted one; the speeds are those of 1. */
  readonly available: number;
  /** Expected bytes of the video in the output. */
  readonly videoBytes: number;
  /** Bytes per second between nodes, each way. */
  readonly network: number;
  readonly price: number | undefined;
  readonly rows: readonly PlanRow[];
  /** Notes for the user, one line each. */
  readonly notes: readonly string[];
}

export interface PlanContext {
  readonly storage: StorageContext;
  readonly machine: Machine;
  readonly version: string;
  readonly readModel: Parameters<typeof prepareJob>[1];
}

/** If threads had a core for less of the time, a note tells that other programs have the rest. */
const BUSY = 0.9;

/** Returns the job with its output's own name, if OUTPUT is a folder. */
async function named(job: JobOptions): Promise<JobOptions> {
  return (await isFolder(job.output)) ? inFolder(job) : job;
}

function inScratch(job: JobOptions, folder: string): JobOptions {
  return { ...job, output: join(folder, job.output) };
}

/**
 * Prepares the job as it would run, measures its stages for some seconds, and predicts it. Writes nothing but
 * temporary files.
 *
 * @throws {JobError} when the job would be refused, or would fail at the measured frames.
 */
export async function planJob(options: PlanOptions, context: PlanContext): Promise<Plan> {
  const { storage, machine, version, readModel } = context;
  const { ranksPerNode, vm } = options;
  const folder = await storage.scratch.folder();
  const job = options.hasOutput ? await named(options.job) : inScratch(options.job, folder);
  const perNode = vm === undefined ? ranksPerNode : 1;
  const began = performance.now();
  const prepared = await prepareJob(job, readModel, version, storage, machinesOf(machine, 1, perNode));
  const prepareSeconds = (performance.now() - began) / 1000;
  const { source, model } = prepared;
  const frames = framesOf(job, prepared);
  const uncut = staysWhole(job);
  const cut = uncut === undefined ? await planCut(source, pieceSizeOf(prepared), folder) : { refusal: uncut };
  storage.log.info(`measuring decoding, inference and encoding with frames of ${prepared.input.display}`);
  const shape = pipelineShape(job, prepared);
  const request = { options: job, prepared, shape, perNode, folder, stopped: storage.stopped };
  const calibration = await calibrate(request);
  const node = perTakenFrame(
    vm === undefined ? calibration.node : boundOf(prepared, calibration, vm),
    frames / Math.max(frames, source.video.frames ?? frames),
  );
  const videoBytes = expectedBytes(prepared, calibration, frames);
  const halo = (shape.share + haloOf(shape.window)) / shape.share;
  const work: PlannedWork = {
    ...{ frames, schedule: job.schedule, share: shape.share, run: shape.every ?? 1 },
    ...{ bytesThere: shape.frameBytes * halo, bytesBack: shape.styledBytes },
    ...{ sourceBytes: source.bytes, madeBytes: videoBytes },
    ...{ pieces: isRefusal(cut) ? undefined : cut.foreseen, network: options.network },
    // Without other programs, as the rest.
    startSeconds: (prepareSeconds + calibration.openSeconds) * calibration.available,
  };
  const refusal = isRefusal(cut) ? `the video cannot be cut: ${cut.refusal}` : undefined;
  const modes = job.split === 'auto' ? (['frames', 'segments'] as const) : [job.split];
  const rows = options.nodes.flatMap((nodes) =>
    modes.map((split): PlanRow => {
      const ranks = { nodes, perNode: vm?.gpus ?? ranksPerNode, split };
      return rowOf({ job, prepared, machine, node, work, refusal, isHere: vm === undefined }, ranks);
    }),
  );
  const best = bestOf(rows.filter((row) => 'seconds' in row));
  return {
    ...{ plan: 1, version, frames },
    input: {
      ...{ path: prepared.input.display, bytes: source.bytes, codec: source.video.codec },
      ...{ width: source.video.width, height: source.video.height },
    },
    model: { name: model.name, size: model.size, sha256: model.sha256 },
    nodes: vm === undefined ? { kind: 'measured', name: machine.kind } : { kind: 'bound', name: vm.name },
    provider: vm === undefined ? calibration.provider : 'cuda',
    precision: vm === undefined ? calibration.precision : gpuPrecision(prepared),
    ...{
      measured: node,
      available: calibration.available,
      videoBytes,
      network: options.network,
      price: job.price,
    },
    rows: rows.map((row) => ({ ...row, ...('seconds' in row ? { best: row === best } : {}) })),
    notes: [...prepared.notes, ...notesOf(options, calibration, source.video.framesDeclared)],
  };
}

/** Returns the machines of ranks on nodes like this one. */
function machinesOf(machine: Machine, nodes: number, perNode: number): readonly RankMachine[] {
  const host = hostname();
  return Array.from({ length: nodes * perNode }, (_, rank) => {
    const node = Math.floor(rank / perNode);
    return { ...machine, rank, host: node === 0 ? host : `node ${node + 1}` };
  });
}

function framesOf(job: JobOptions, { source, rate, input }: PreparedJob): number {
  const { frames } = source.video;
  if (frames !== undefined && frames > 0) return framesTaken(samplingOf(job), frames, rate);
  throw new JobError('input', `${input.display} does not say how long it is, so it cannot be planned`, {
    hint: 'copy it into another container first: ffmpeg -i IN -c copy OUT.mkv',
  });
}

/** Returns the speeds per frame that is taken, where the decoder gives more. */
function perTakenFrame(node: NodeSpeeds, taken: number): NodeSpeeds {
  const { framesPerSecond, coreSeconds } = node.decode;
  const decode = { framesPerSecond: framesPerSecond * taken, coreSeconds: coreSeconds / taken };
  return { ...node, decode };
}

function gpuPrecision({ graphs }: PreparedJob): 'fp16' | 'fp32' {
  return graphs.fp16 === undefined ? 'fp32' : 'fp16';
}

function boundOf(prepared: PreparedJob, { node }: Calibration, vm: GpuNode): NodeSpeeds {
  const { macsPerPixel, input } = prepared.graph;
  if (macsPerPixel === undefined || macsPerPixel === 0) {
    throw new JobError('model', `the arithmetic of ${prepared.model.name} is not known`, {
      hint: 'plan without --vm-size, or say "macsPerPixel" in its manifest',
    });
  }
  return gpuBound(node, vm, gpuPrecision(prepared), macsPerPixel * input.width * input.height);
}

/** Returns the bytes of the video that the segments will have in all. */
function expectedBytes(
  { segmentFrames }: PreparedJob,
  { firstBytes, furtherBytes }: Calibration,
  frames: number,
): number {
  const segments = Math.ceil(frames / segmentFrames);
  return Math.round(segments * firstBytes + (frames - segments) * furtherBytes);
}

/** What every row of a plan is made from. */
interface RowFacts {
  readonly job: JobOptions;
  readonly prepared: PreparedJob;
  readonly machine: Machine;
  readonly node: NodeSpeeds;
  readonly work: PlannedWork;
  /** Why the video stays whole; undefined if it can be cut. */
  readonly refusal: string | undefined;
  /** False if the nodes are not like this machine, whose memory then says nothing. */
  readonly isHere: boolean;
}

function rowOf({ job, prepared, machine, node, work, refusal, isHere }: RowFacts, ranks: Ranks): PlanRow {
  const { source, model, graph, graphs, video, segmentFrames, share } = prepared;
  const { nodes, perNode, split } = ranks;
  const count = nodes * perNode;
  if (split === 'segments' && refusal !== undefined) return { ...ranks, ranks: count, refused: refusal };
  const batch = share + haloOf(graph.window);
  const memory = planMemory({
    ...{ options: job, source, model, batch, graph, spec: video?.spec, segmentFrames },
    onCpus: graphs.int8 === undefined ? 'fp32' : 'int8',
    machines: machinesOf(machine, nodes, perNode),
  });
  try {
    refuseLargeBuffers({ batch, graph, fewer: fewerFrames(model) }, split === 'frames' ? count : 1);
    if (isHere) memory.refuseLack(split);
  } catch (error) {
    if (error instanceof JobError && error.code === 'limit')
      return { ...ranks, ranks: count, refused: error.message };
    throw error;
  }
  const predicted = predict(node, work, ranks);
  const needs = isHere ? memory.needs(split) : undefined;
  const [root, ...others] = needs ?? [];
  return {
    ...{ ...ranks, ranks: count, ...predicted },
    memory:
      root === undefined ? undefined : { root, other: others.length > 0 ? Math.max(...others) : undefined },
    cost: job.price && (nodes * predicted.seconds * job.price) / 3600,
    best: false,
  };
}

function notesOf(
  { job, vm }: PlanOptions,
  { available }: Calibration,
  framesDeclared: boolean,
): readonly string[] {
  return [
    ...(framesDeclared ? [] : ['the number of frames is an estimate: the container does not say it']),
    ...(job.hwaccel === 'none' ? [] : ['software codecs were measured: --hwaccel is not planned']),
    ...(vm === undefined && available < BUSY
      ? [
          `other programs keep this machine busy: threads had a core for ${Math.round(100 * available)} % of the time they wanted one. The plan is for machines without them; here and now a job is slower`,
        ]
      : []),
    ...(vm === undefined
      ? []
      : [
          `at most, not measured: inference is the peak of ${vm.gpus} x ${vm.gpu} by its data sheet, and codecs are as fast per core as here; a real job is slower`,
        ]),
  ];
}
