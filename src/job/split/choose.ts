import { availableParallelism } from 'node:os';
import { haloOf } from '../../model/ports/window.js';
import { furtherBuffers } from '../../model/session/inference.js';
import { PROVIDERS } from '../../model/session/providers.js';
import type { OpenedSession } from '../../model/session/session.js';
import type { World } from '../../mpi/world.js';
import type { PipelineShape } from '../../pipeline/pipeline.js';
import { JobError } from '../../system/errors.js';
import { native } from '../../system/native.js';
import { isRefusal } from '../../system/refusal.js';
import { ffmpegVersion } from '../../video/ffmpeg/ffmpeg-facts.js';
import { planCut } from '../../video/split/cut.js';
import type { PieceSize } from '../../video/split/pieces.js';
import type { RunOptions } from '../context/options.js';
import { samplingOf } from '../context/sampling.js';
import type { Chooser, Split } from '../prepare/chooser.js';
import type { PreparedJob } from '../prepare/prepare.js';
import { estimate } from './estimate.js';

/** The ffmpeg of a rank. */
interface Program {
  readonly rank: number;
  readonly host: string;
  /** Null if it cannot run. */
  readonly version: string | null;
}

const FRAMES: Split = { mode: 'frames' };
/** Target size of a piece: of intra-only video, a few seconds would be larger. */
const PIECE_BYTES = 2 ** 26;
/** Size limit of a piece, which is held in memory on its way. */
const MOST_PIECE_BYTES = 2 ** 30;
/** The least gain that is worth segments: a stopped job loses its unfinished ones. */
const WORTHWHILE = 1.25;

/**
 * Creates the chooser, on all ranks together: each rank reports its ffmpeg, since it may have to decode and
 * encode. `nvenc`, on the root, says whether its GPU will encode.
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
    const whole = staysWhole(options) ?? (prepared.input.sequence && 'the pictures of a sequence are files');
    if (whole !== undefined) return frames(whole);
    const odd = oddProgram(programs ?? []);
    if (odd !== undefined && !auto) throw odd;
    if (odd !== undefined) return frames(odd.message);
    let reason = 'as asked';
    if (auto) {
      if (earlier === 'frames') return frames('the earlier run of this job did');
      if (nvenc && earlier !== 'segments') return frames('the estimate does not cover hardware encoders');
      const decided = await decide(world, opened, shape, prepared);
      if (!decided.segments && earlier !== 'segments') return frames(decided.why);
      reason = earlier === 'segments' ? 'the earlier run of this job did' : decided.why;
    }
    const plan = await planCut(prepared.source, pieceSizeOf(prepared), await storage.scratch.folder());
    if (isRefusal(plan)) return frames(`the video cannot be cut: ${plan.refusal}`);
    storage.log.info(`split into ${plan.foreseen} segments of the compressed video: ${reason}`);
    return { mode: 'segments', plan };
  };
}

/** Returns why options do not let a video be cut into pieces; undefined if they do. */
export function staysWhole(
  options: Pick<RunOptions, 'tolerant' | 'every' | 'fps' | 'part'>,
): string | undefined {
  if (options.tolerant) return '--tolerant conceals damage by earlier frames';
  if (options.part !== undefined) return 'a part of a video is decoded from the keyframe before it';
  if (samplingOf(options) === undefined) return undefined;
  return `--${options.fps === undefined ? 'every' : 'fps'} takes frames from all over the video`;
}

/** Returns the size of the pieces of a job's video. */
export function pieceSizeOf({
  segmentFrames,
  graph,
}: Pick<PreparedJob, 'segmentFrames' | 'graph'>): PieceSize {
  const { before = 0, after = 0 } = graph.window ?? {};
  return {
    ...{ frames: segmentFrames, bytes: PIECE_BYTES, mostBytes: MOST_PIECE_BYTES },
    ...{ reach: Math.max(before, after), run: graph.every ?? 1 },
  };
}

/** Returns an error if the ranks' ffmpegs differ: segments of different versions may not fit together. */
function oddProgram(programs: readonly Program[]): JobError | undefined {
  const ours = programs[0]?.version ?? null;
  const odd = programs.find(({ version }) => version === null || version !== ours);
  if (odd === undefined) return undefined;
  const has = odd.version === null ? 'cannot run ffmpeg' : `has ffmpeg ${odd.version}, rank 0 has ${ours}`;
  return new JobError('ffmpeg', `rank ${odd.rank} on ${odd.host} ${has}`, {
    hint: 'install the same ffmpeg for every rank, or use --split frames',
  });
}

/** Decides, from the measured speed of inference, whether segments will be faster. */
async function decide(
  world: World,
  { streams: [session], provider }: OpenedSession,
  shape: PipelineShape,
  { graph, video, source }: PreparedJob,
): Promise<{ readonly segments: boolean; readonly why: string }> {
  if (world.size === 1) return { segments: false, why: 'there is one rank' };
  const input = new Uint8Array(
    native().allocate((shape.batch + haloOf(shape.window)) * shape.frameBytes, session),
  );
  const output = new Uint8Array(native().allocate(shape.batch * shape.styledBytes, session));
  const further = furtherBuffers(session, (bytes) => new Uint8Array(native().allocate(bytes, session)));
  const began = performance.now();
  await session.run([input, ...further.inputs], [output, ...further.outputs]);
  const inferred = (shape.batch * 1000) / (performance.now() - began);
  const speeds = estimate({
    ranks: world.size,
    localRanks: world.localSize,
    cores: availableParallelism(),
    inferred,
    sharesHostCores: PROVIDERS[provider].sharesHostCores,
    codec: video?.spec.codec,
    preset: video?.spec.preset ?? '',
    decodedPixels: source.video.width * source.video.height,
    encodedPixels: [
      ...(graph.output ? [graph.output] : []),
      ...graph.further.map(({ format }) => format),
    ].reduce((sum, { width, height }) => sum + width * height, 0),
  });
  const fps = (value: number): string => value.toFixed(value < 10 ? 1 : 0);
  const why = `an estimated ${fps(speeds.segments)} frames per second in segments, ${fps(speeds.frames)} through rank 0`;
  return { segments: speeds.segments > WORTHWHILE * speeds.frames, why };
}
