import type { World } from '../mpi/world.js';
import { type NativeSession, native } from '../native.js';
import { type RankWork, StageMeter } from './meter.js';
import { BufferPool } from './pool.js';
import { prefetch } from './prefetch.js';
import { decode, type FrameSource, noSource } from './stages/decode.js';
import { encode, type FrameSink } from './stages/encode.js';
import { gather } from './stages/gather.js';
import { infer } from './stages/infer.js';
import { scatter } from './stages/scatter.js';

/** Rounds that one boundary between stages may hold: one being worked on by each neighbour and one between them. */
const BUFFERS = 3;

/** What every rank knows before the first frame. */
export interface PipelineShape {
  /** Frames of one rank in a full round: the batch of the composed graph. */
  readonly batch: number;
  /** Bytes of one frame in wire format, before and after the model. */
  readonly frameBytes: number;
  readonly styledBytes: number;
}

/** The root's ends of the pipeline. */
export interface Ends {
  readonly decoder: FrameSource;
  readonly sink: FrameSink;
  /** True once no new frame is to be begun. */
  readonly stopping: () => boolean;
}

/**
 * Puts every frame through the model: `encode(gather(infer(scatter(decode(video)))))`, each stage running a round ahead
 * of the next. All ranks run this together; only the root has `ends`. Gives what this rank did.
 */
export async function runPipeline(
  world: World,
  session: NativeSession,
  shape: PipelineShape,
  ends: Ends | undefined,
): Promise<RankWork> {
  const { batch, frameBytes, styledBytes } = shape;
  const roundFrames = world.size * batch;
  const meter = new StageMeter();
  const pool = (bytes: number): BufferPool =>
    new BufferPool(BUFFERS, () => new Uint8Array(native().allocate(bytes, session)));

  const decoded = ends
    ? decode({ ...ends, roundFrames, frameBytes, meter, rounds: pool(roundFrames * frameBytes) })
    : noSource();
  const shards = scatter(prefetch(decoded, 1), {
    world,
    frameBytes,
    meter,
    shards: pool(batch * frameBytes),
  });
  const styled = infer(prefetch(shards, 1), { world, session, meter, styled: pool(batch * styledBytes) });
  const gathered = gather(prefetch(styled, 1), {
    world,
    styledBytes,
    meter,
    rounds: ends && pool(roundFrames * styledBytes),
  });
  await encode(prefetch(gathered, 1), { sink: ends?.sink, styledBytes, meter });
  return meter.read();
}
