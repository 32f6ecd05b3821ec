import { availableParallelism } from 'node:os';
import type { OpenedSession } from '../../model/session/session.js';
import type { World } from '../../mpi/world.js';
import type { PipelineShape } from '../../pipeline/pipeline.js';
import { JobError } from '../../system/errors.js';
import { native } from '../../system/native.js';
import { ffmpegVersion } from '../../video/ffmpeg/ffmpeg-facts.js';
import { planCut } from '../../video/split/cut.js';
import type { RunOptions } from '../context/options.js';
import type { Chooser, Split } from '../prepare/chooser.js';
import type { PreparedJob } from '../prepare/prepare.js';
import { estimate } from './estimate.js';

/** What a rank says of its ffmpeg. */
interface Program {
  readonly rank: number;
  readonly host: string;
  /** Null where it cannot be run. */
  readonly version: string | null;
}

const FRAMES: Split = { mode: 'frames' };
/** A piece of intra-only video would be large long before it is a few seconds long. */
const PIECE_BYTES = 2 ** 26;
/** A piece is held in memory on its way. */
const MOST_PIECE_BYTES = 2 ** 30;
/** The gain from which on segments are worth that a stopped job loses those that are not whole. */
const WORTHWHILE = 1.25;

/**
 * Makes the chooser, on all ranks together: where they may have to decode and encode, they tell whether they can. `nvenc`
 * says, on the root, whether its GPU is to encode.
 */
export async function splitChooser(
  world: World,
  options: RunOptions,
  opened: OpenedSession,
  shape: PipelineShape,
  nvenc: boolean,
): Promise<Chooser> {
  const version = await ffmpegVersion().catch(() => null);
  const programs = await world.collect<Program>({ rank: world.rank, host: world.host, version });

  return async (prepared, storage, earlier) => {
    const frames = (why: string): Split => {
      storage.log.info(`split into frames: ${why}`);
      return FRAMES;
    };
    const auto = options.split === 'auto';
    if (options.tolerant) return frames('--tolerant repairs a video by what comes before');
    const odd = oddProgram(programs ?? []);
    if (odd !== undefined && !auto) throw odd;
    if (odd !== undefined) return frames(odd.message);
    let reason = 'as asked';
    if (auto) {
      if (earlier === 'frames') return frames('the earlier run began so');
      if (nvenc && earlier !== 'segments') return frames('the estimate knows no hardware encoders');
      const decided = await decide(world, opened, shape, prepared);
      if (!decided.segments && earlier !== 'segments') return frames(decided.why);
      reason = earlier === 'segments' ? 'the earlier run began so' : decided.why;
    }
    const size = { frames: prepared.segmentFrames, bytes: PIECE_BYTES, mostBytes: MOST_PIECE_BYTES };
    const plan = await planCut(prepared.source, size, await storage.scratch.folder());
    if (typeof plan === 'string') return frames(`the video cannot be cut: ${plan}`);
    storage.log.info(`split into ${plan.foreseen} segments of the compressed video: ${reason}`);
    return { mode: 'segments', plan };
  };
}

/** What is wrong with the ranks' ffmpegs: segments by different ones may not fit together. */
function oddProgram(programs: readonly Program[]): JobError | undefined {
  const ours = programs[0]?.version ?? null;
  const odd = programs.find(({ version }) => version === null || version !== ours);
  if (odd === undefined) return undefined;
  const has = odd.version === null ? 'cannot run ffmpeg' : `has ffmpeg ${odd.version}, the root ${ours}`;
  return new JobError('ffmpeg', `rank ${odd.rank} on ${odd.host} ${has}`, {
    hint: 'install the same ffmpeg for every rank, or use --split frames',
  });
}

/** Whether segments promise to be faster, by the measured speed of inference. */
async function decide(
  world: World,
  { streams: [session], provider }: OpenedSession,
  shape: PipelineShape,
  { graph, spec, source }: PreparedJob,
): Promise<{ readonly segments: boolean; readonly why: string }> {
  if (world.size === 1) return { segments: false, why: 'there is one rank' };
  const input = new Uint8Array(native().allocate(shape.batch * shape.frameBytes, session));
  const output = new Uint8Array(native().allocate(shape.batch * shape.styledBytes, session));
  const began = performance.now();
  await session.run(input, output);
  const inferred = (shape.batch * 1000) / (performance.now() - began);
  const speeds = estimate({
    ranks: world.size,
    localRanks: world.localSize,
    cores: availableParallelism(),
    inferred,
    onCpu: provider === 'cpu',
    codec: spec.codec,
    preset: spec.preset,
    decodedPixels: source.video.width * source.video.height,
    encodedPixels: graph.output.width * graph.output.height,
  });
  const fps = (value: number): string => value.toFixed(value < 10 ? 1 : 0);
  const why = `an estimated ${fps(speeds.segments)} frames a second in segments, ${fps(speeds.frames)} by way of the root`;
  return { segments: speeds.segments > WORTHWHILE * speeds.frames, why };
}
