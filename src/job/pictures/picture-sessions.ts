/** The sessions of a rank in a job of pictures: one for all, or one for each size of picture. */
import { composePicture, type PictureGraph } from '../../model/compose/picture-graph.js';
import type { LoadedModel } from '../../model/load/loaded-model.js';
import type { Size } from '../../model/load/network.js';
import { fp16Graph, int8Graph, type SessionGraphs } from '../../model/session/precision.js';
import { PROVIDERS } from '../../model/session/providers.js';
import type { OpenedSession } from '../../model/session/session.js';
import { allocateBuffer } from '../../model/session/session-errors.js';
import { workingMemory } from '../../model/session/working-memory.js';
import type { World } from '../../mpi/world.js';
import { type FitTo, UnusablePicture } from '../../pictures/decode.js';
import { JobError } from '../../system/errors.js';
import { memoryBudgets, memoryOverride } from '../../system/host-memory.js';
import type { NativeSession } from '../../system/native.js';
import { channelBlock } from '../../system/processor.js';
import type { RunContext } from '../context/context.js';
import type { RunOptions } from '../context/options.js';

/** How pictures come into the model. */
export type Entry =
  /** All in the size that the model takes, through one graph. */
  | { readonly kind: 'fitted'; readonly to: FitTo; readonly graph: GraphFacts }
  /** Each in its own size, through a graph for that. */
  | { readonly kind: 'own-size'; readonly batch: number };

/** What a rank needs to know of a graph. */
export type GraphFacts = Omit<PictureGraph, 'bytes'>;

/** An open session, with memory for a batch. */
export interface PictureSession {
  readonly graph: GraphFacts;
  readonly session: NativeSession;
  readonly input: Uint8Array;
  readonly output: Uint8Array;
  /** The tensors of a table. */
  readonly tensors: readonly Uint8Array[];
}

export interface PictureSessions {
  /**
   * Returns the session for pictures of this size. The one before may be closed by that.
   *
   * @throws {UnusablePicture} when the model cannot take pictures of this size.
   */
  of(size: Size): Promise<PictureSession>;
}

/** Smaller pictures need no estimate of their memory: it takes longer than it is worth. */
const ESTIMATED_FROM_PIXELS = 2 ** 21;

/** Bits of a picture's sample on its way: one of 16 bits is converted. */
export const PICTURE_BITS = 8;

/** Returns the graphs that ranks run, in every precision that one of them may need. */
export function graphsOf(
  graph: Pick<PictureGraph, 'bytes'>,
  model: LoadedModel,
  options: Pick<RunOptions, 'precision' | 'provider'>,
  onCpus: 'fp32' | 'int8',
): SessionGraphs & { readonly notes: readonly string[] } {
  const fp16 = fp16Graph(graph, PICTURE_BITS, model, options);
  const int8 = onCpus === 'int8' ? int8Graph(graph, model) : undefined;
  return { fp32: graph.bytes, fp16: fp16.bytes, int8, notes: fp16.notes };
}

/** Returns the sessions of a model that takes one size: the session that is open. */
export function fittedSessions(opened: OpenedSession, graph: GraphFacts): PictureSessions {
  const ready = readySession(opened.streams[0], graph);
  return { of: async () => ready };
}

/**
 * Returns the sessions of a model that takes any size: a graph for each size is composed here, and the last
 * few are kept. They use the provider of `opened`.
 */
export function sizedSessions(
  { world, options, sessions }: Pick<RunContext, 'world' | 'options' | 'sessions'>,
  opened: OpenedSession,
  model: LoadedModel,
  onCpus: 'fp32' | 'int8',
  batch: number,
): PictureSessions {
  const ready = new WeakMap<OpenedSession, PictureSession>();
  return {
    async of(size) {
      const key = `${size.width}x${size.height}`;
      const kept = sessions.find(key);
      const found = kept && ready.get(kept);
      if (found !== undefined) return found;
      const graph = composed(model, size, batch);
      if (PROVIDERS[opened.provider].needsHostMemory) refuseLackOfMemory(graph, world);
      const session = await sessions.open(key, graphsOf(graph, model, options, onCpus), {
        provider: opened.provider,
        threads: options.threads,
        localRank: world.localRank,
        localSize: world.localSize,
        inputBytes: batch * graph.inputBytes,
        outputBytes: batch * graph.rowBytes,
        dryRun: false,
      });
      const { bytes: _, ...facts } = graph;
      const made = readySession(session.streams[0], facts);
      ready.set(session, made);
      return made;
    },
  };
}

function readySession(session: NativeSession, graph: GraphFacts): PictureSession {
  const buffer = (bytes: number): Uint8Array => allocateBuffer(bytes, session);
  return {
    graph,
    session,
    input: buffer(graph.batch * graph.inputBytes),
    output: buffer(graph.batch * graph.rowBytes),
    tensors: session.outputs.slice(1).map(({ bytes }) => buffer(bytes)),
  };
}

function composed(model: LoadedModel, size: Size, batch: number): PictureGraph {
  try {
    return composePicture(model, size, batch);
  } catch (error) {
    // The model runs in another size, as was tried before.
    if (error instanceof JobError && error.code === 'model') throw new UnusablePicture(error.message);
    throw error;
  }
}

/**
 * Refuses a picture whose run would take more memory than this rank's part of what is free on its host.
 *
 * @throws {UnusablePicture} when it would.
 */
export function refuseLackOfMemory(
  { bytes, input, batch }: Pick<PictureGraph, 'bytes' | 'input' | 'batch'>,
  world: Pick<World, 'localSize'>,
): void {
  if (input.width * input.height < ESTIMATED_FROM_PIXELS) return;
  const working = workingMemory(bytes, channelBlock());
  if (working === undefined) return;
  const free = memoryOverride() ?? Math.min(...memoryBudgets().map((one) => one.free));
  const part = free / world.localSize;
  if (working * batch <= part) return;
  const gib = (count: number): string => (count / 2 ** 30).toFixed(1);
  throw new UnusablePicture(
    `the model needs ${gib(working)} GiB for ${input.width}x${input.height} pixels, and a rank there has ${gib(part)} GiB`,
  );
}
