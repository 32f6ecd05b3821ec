import type { NativeSession } from '../../system/native.js';
import type { SampleFormat } from '../../video/formats/frame-format.js';
import type { CutPlan } from '../compose/compose.js';
import type { TablePlan } from '../compose/table-ends.js';
import type { TilePlan } from '../compose/tile-plan.js';
import { frameAt } from '../ports/edges.js';
import type { Chunk } from '../ports/several.js';
import { haloOf, type Window } from '../ports/window.js';
import { type Scenes, sceneFinder } from './scenes.js';
import { allocateBuffer } from './session-errors.js';
import { openStates, type States } from './states.js';
import { openRows, type TableRows } from './table-rows.js';
import { tiledInferenceOf } from './tiled-inference.js';

/** What a rank needs to know of a composed graph, to run it on frames that follow each other. */
export interface InferenceShape {
  readonly batch: number;
  readonly frameBytes: number;
  /** How samples of frames are stored; absent: as bytes. */
  readonly sample?: SampleFormat;
  /** Bytes of a row of the result. */
  readonly styledBytes: number;
  /** The tables whose packed rows lie in each row, before the check byte. */
  readonly table?: TablePlan;
  /** The neighbours of each frame that the model looks at, if any. */
  readonly window?: Window;
  /** Frames of a run, at whose start states or chunks begin; none: the model has neither. */
  readonly every?: number;
  /** The frames that the model makes together: as many as the batch. */
  readonly chunk?: Chunk;
  /** What stops at scene cuts, if anything does. */
  readonly cuts?: CutPlan;
  /** The tiles that the graph takes in place of whole frames, if it does. */
  readonly tiles?: TilePlan;
}

/** Returns the bytes of the graph's input of frames, and of its result. */
export function runBytes({ batch, frameBytes, styledBytes, window, tiles }: InferenceShape): {
  readonly inputBytes: number;
  readonly outputBytes: number;
} {
  return {
    inputBytes: (batch + haloOf(window)) * (tiles?.tileBytes ?? frameBytes),
    outputBytes: batch * (tiles?.resultBytes ?? styledBytes),
  };
}

/** Runs a composed graph, and fills the rows of its table into the result. One shard at a time. */
export interface Inference {
  /**
   * Makes the rows of `frames` frames, the first of a run of the model's states, if it has any. They lie in
   * `shard` with their halo, and its length is that of whole batches, with a halo: what is beyond the frames
   * counts for nothing. Yields the number of frames after each batch.
   */
  run(shard: Uint8Array, result: Uint8Array, frames: number): AsyncGenerator<number, void, undefined>;
}

/** Memory of an inference beside its frames and results. */
interface Memory {
  readonly states: States | undefined;
  readonly neighbours: Int32Array | undefined;
  readonly rows: TableRows | undefined;
}

/** Returns the inference of a session. Its own memory is allocated by the first run. */
export function inferenceOf(session: NativeSession, shape: InferenceShape): Inference {
  const { batch, frameBytes, styledBytes, window, table, cuts, every, chunk, tiles } = shape;
  if (tiles !== undefined) return tiledInferenceOf(session, tiles, shape);
  const { before = 0 } = window ?? {};
  const halo = haloOf(window);
  const findScenes = cuts && sceneFinder(cuts, window);
  let memory: Memory | undefined;

  const open = (): Memory => ({
    states: every === undefined ? undefined : openStates(session),
    neighbours: cuts?.neighbours ? openNeighbours(session, cuts.offsets.length * batch) : undefined,
    rows: table && openRows(session, table, batch, styledBytes),
  });

  /** Returns whether states begin anew at a frame of a shard. What fills a batch up begins nothing. */
  function beginsAnew(at: number, frames: number, scenes: Scenes | undefined): boolean {
    const isFirst = every !== undefined && at % every === 0;
    const isCut = cuts?.states === true && at < frames && scenes?.startsAt(before + at) === true;
    return isFirst || isCut;
  }

  return {
    async *run(shard, result, frames) {
      memory ??= open();
      const { states, neighbours, rows } = memory;
      const scenes = findScenes?.({ data: shard, count: frames + halo, frameBytes });
      for (let at = 0; at < frames; at += batch) {
        const input = shard.subarray(at * frameBytes, (at + batch + halo) * frameBytes);
        if (chunk !== undefined && frames - at < batch) fillUp(input, frames - at, chunk, frameBytes);
        const output = result.subarray(at * styledBytes, (at + batch) * styledBytes);
        const resets = Array.from({ length: batch }, (_, place) => beginsAnew(at + place, frames, scenes));
        const own = states?.next(resets);
        if (neighbours !== undefined && cuts !== undefined && scenes !== undefined)
          place(neighbours, scenes, { at, before, batch, most: frames, offsets: cuts.offsets });
        const places = neighbours === undefined ? [] : [bytesOf(neighbours)];
        await session.run(
          [input, ...places, ...(own?.inputs ?? [])],
          [output, ...(rows?.tensors ?? []), ...(own?.outputs ?? [])],
        );
        const made = Math.min(batch, frames - at);
        rows?.fill(output, made);
        yield made;
      }
    },
  };
}

/** Fills a chunk of which only the first `frames` frames are there: the video ends with them. */
function fillUp(shard: Uint8Array, frames: number, chunk: Chunk, frameBytes: number): void {
  for (let place = frames; place < chunk.frames; place++) {
    const from = frameAt(place, frames, chunk.edge) * frameBytes;
    shard.copyWithin(place * frameBytes, from, from + frameBytes);
  }
}

interface Places {
  readonly at: number;
  readonly before: number;
  readonly batch: number;
  readonly most: number;
  readonly offsets: readonly number[];
}

/** Writes where the neighbours of a batch's frames lie among the frames of its run. */
function place(into: Int32Array, scenes: Scenes, { at, before, batch, most, offsets }: Places): void {
  for (const [row, offset] of offsets.entries()) {
    for (let frame = 0; frame < batch; frame++) {
      // What fills a batch up has no neighbours.
      const isFrame = at + frame < most;
      const found = isFrame ? scenes.neighbour(before + at + frame, offset) - at : 0;
      into[row * batch + frame] = found;
    }
  }
}

function openNeighbours(session: NativeSession, count: number): Int32Array {
  const bytes = allocateBuffer(count * Int32Array.BYTES_PER_ELEMENT, session);
  return new Int32Array(bytes.buffer, bytes.byteOffset, count);
}

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Allocates buffers for the inputs and outputs of a session after the first, by `allocate`: zeros. */
export function furtherBuffers(
  session: Pick<NativeSession, 'inputs' | 'outputs'>,
  allocate: (bytes: number) => Uint8Array,
): { readonly inputs: readonly Uint8Array[]; readonly outputs: readonly Uint8Array[] } {
  return {
    inputs: session.inputs.slice(1).map(({ bytes }) => allocate(bytes).fill(0)),
    outputs: session.outputs.slice(1).map(({ bytes }) => allocate(bytes)),
  };
}
