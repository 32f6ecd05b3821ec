import type { Lanes } from '../model/session/lanes.js';
import { allocateBuffer } from '../model/session/session-errors.js';
import type { World } from '../mpi/world.js';
import type { Activity } from '../watchdog/activity.js';
import { decode, type FrameSource, noSource } from './decode-stage.js';
import { encode, type FrameSink } from './encode-stage.js';
import { gather } from './gather-stage.js';
import { infer } from './infer-stage.js';
import { type RankWork, StageMeter } from './meter.js';
import { paceTeller } from './pace.js';
import { BufferPool } from './pool.js';
import { prefetch } from './prefetch.js';
import { scatter } from './scatter-stage.js';
import { type ScheduleName, scheduleOf } from './schedule.js';

/**
 * Rounds that a stage may be ahead of the next one. Equal ranks keep together; where they are uneven on purpose, those
 * that sit out a slow rank's round are this many rounds ahead when it is done.
 */
const AHEAD: Readonly<Record<ScheduleName, number>> = { even: 1, dynamic: 3 };
/** A boundary between stages holds a round that each neighbour is working on beside those ahead. */
const AT_WORK = 2;

/** What every rank knows before the first frame. */
export interface PipelineShape {
  /** Frames of one rank in a full round: the batch of the composed graph. */
  readonly batch: number;
  readonly schedule: ScheduleName;
  /** Bytes of one frame in wire format, and of one row of the composed graph's result: a styled frame and its check byte. */
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
 * Puts every frame through the model: `encode(gather(infer(scatter(decode(video)))))`, each stage running ahead of the
 * next. All ranks run this together; only the root has `ends`. Gives what this rank did.
 */
export async function runPipeline(
  world: World,
  lanes: Lanes,
  shape: PipelineShape,
  ends: Ends | undefined,
  activity: Activity,
): Promise<RankWork> {
  const { batch, frameBytes, styledBytes } = shape;
  const ahead = AHEAD[shape.schedule];
  const schedule = scheduleOf(shape.schedule, world.size, batch);
  const meter = new StageMeter(activity);
  // The root holds whole rounds, and infers its own frames of each, the first, where they lie: they are never copied.
  const held = world.isRoot ? world.size * batch : batch;
  // Inference works on a round for each lane.
  const rounds = ahead + AT_WORK + lanes.length - 1;
  const pool = (bytes: number): BufferPool =>
    new BufferPool(rounds, () => allocateBuffer(held * bytes, lanes[0]));
  const buffers = pool(frameBytes);

  const decoded = ends ? decode({ ...ends, schedule, frameBytes, meter, buffers }) : noSource();
  const shards = scatter(prefetch(decoded, ahead), { world, frameBytes, meter, buffers });
  const styled = infer(prefetch(shards, ahead), {
    ...shape,
    world,
    lanes,
    meter,
    buffers: pool(styledBytes),
  });
  const gathered = gather(prefetch(styled, ahead), {
    world,
    styledBytes,
    meter,
    tellPace: shape.schedule === 'dynamic' ? paceTeller(world, meter, schedule) : async () => {},
  });
  await encode(prefetch(gathered, ahead), { sink: ends?.sink, styledBytes, meter });
  return meter.read();
}
