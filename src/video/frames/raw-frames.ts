/** Runs ffmpeg once to decode a video into raw frames. */
import { JobError } from '../../system/errors.js';
import { nvdecFilters, nvdecOptions } from '../codecs/nvidia.js';
import { type FfmpegProcess, startFfmpeg } from '../ffmpeg/ffmpeg.js';
import { incomingPipe } from '../ffmpeg/pipe.js';
import { frameBytes } from '../formats/frame-format.js';
import { type NutReader, openNutReader } from '../formats/nut-reader.js';
import { rescaleDown, rescaleExact } from '../formats/rational.js';
import { beginsWhole } from '../source/compressed-packets.js';
import { UNKNOWN_RATE } from '../source/frame-rate.js';
import type { SourceFacts } from '../source/source-facts.js';
import { type DamageLog, damageListener } from './damage-log.js';
import { colourInputOptions, wireColours } from './decode-colour.js';
import type { WirePlan } from './wire.js';

/** The frames of one run, in ffmpeg's order. Disposing of them stops ffmpeg if it still runs. Idempotent. */
export interface RawFrames extends AsyncDisposable {
  /**
   * Returns the next frame's PTS in ticks of the source. Its pixels are skipped unless read. Undefined at the
   * end.
   */
  next(): Promise<number | undefined>;
  /** The number of frames that `next` has given. */
  readonly given: number;
  /** Copies the pixels of the frame that `next` gave last. */
  pixels(into: Uint8Array): Promise<void>;
  /** The damage that ffmpeg has reported so far. */
  readonly damage: DamageLog;
  /** ffmpeg's name of the pixel format that the decoder gave first; undefined before the first frame. */
  readonly decodedFormat: string | undefined;
  /** ffmpeg's last warnings and errors. */
  messages(): readonly string[];
}

export interface RawFrameOptions {
  readonly tolerant: boolean;
  readonly threads: number | undefined;
  /** The CUDA device whose NVDEC decodes; undefined means software. */
  readonly gpu: number | undefined;
  /**
   * Seconds, as in the file's timestamps: decoding starts at the last keyframe before it. Undefined: at the
   * beginning.
   */
  readonly from: number | undefined;
}

/** Seconds added to every PTS in the pipe: NUT holds none below zero. */
const SHIFT_SECONDS = 60;
/**
 * Decoders that conceal missing parts of a frame and say so at level `debug` alone. The mark that they put on
 * the frame cannot be relied on: until FFmpeg 6.1 ("Fix data race when updating decode_error_flags") it is
 * lost now and then when several threads decode.
 */
const CONCEALING: ReadonlySet<string> = new Set([
  ...['h264', 'mpeg1video', 'mpeg2video', 'mpeg4', 'msmpeg4v1', 'msmpeg4v2', 'msmpeg4v3', 'wmv1', 'wmv2'],
  ...['wmv3', 'vc1', 'h263', 'h263i', 'h263p', 'flv1', 'rv10', 'rv20', 'rv30', 'rv40'],
]);
/** Timestamps that go back by more seconds are a jump, not a slip of rounding. */
const MOST_SLIP_SECONDS = 1;

/**
 * Starts decoding.
 *
 * @throws {JobError} ffmpeg: when ffmpeg cannot be started.
 */
export async function openRawFrames(
  source: SourceFacts,
  wire: WirePlan,
  options: RawFrameOptions,
): Promise<RawFrames> {
  const { path, video } = source;
  const { num, den } = video.timeBase;
  const shift = Math.max(0, -(video.startPts ?? 0)) + Math.ceil((SHIFT_SECONDS * den) / num);
  const times = advancingTimes(shift, video);
  const toSoftware = options.gpu === undefined ? [] : nvdecFilters(video, wire.format.range);
  const chain = filters(wire, [...wireColours(video, wire), ...toSoftware], times);
  const colourOptions = await colourInputOptions(video);
  const pipe = incomingPipe();
  const damage = damageListener(wire, source.format);
  let decodedFormat: string | undefined;
  const run = await startFfmpeg(
    {
      task: `decoding "${path}"`,
      level: !options.tolerant && CONCEALING.has(video.codec) ? 'debug' : 'verbose',
      inputs: [
        {
          from: { file: path },
          options: [...source.openOptions, ...inputOptions(options), ...colourOptions],
        },
      ],
      outputs: [{ to: 'stdout', options: outputOptions(video.index, `${num}:${den}`, chain) }],
    },
    {
      stdout: pipe.childEnd,
      onMessage(line) {
        decodedFormat ??= /^\[graph .*input.* pixfmt:(\w+)/.exec(line)?.[1];
        damage.hear(line);
      },
    },
  ).catch(async (error: unknown) => {
    await pipe[Symbol.asyncDispose]();
    throw error;
  });
  const bytes = frameBytes(wire.format);
  let reader: NutReader | undefined;
  let closed = false;
  let given = 0;

  /** After a seek, early errors may be about packets before its target: the caller judges by the frames. */
  const judgeEarly = () =>
    damage.judgeEarly(async () => options.from === undefined && (await beginsWhole(source)));

  return {
    damage: damage.log,
    messages: run.messages,
    get decodedFormat() {
      return decodedFormat;
    },
    get given() {
      return given;
    },
    async next() {
      if (closed) throw new JobError('internal', `a read of "${path}" after its end`);
      const header = await unlessFailed(run, async () => {
        reader ??= await openNutReader(pipe, `ffmpeg's output for "${path}"`);
        return reader.next();
      });
      // Only the exit code confirms the end; all messages are in by then.
      if (header === undefined) await run.done;
      await judgeEarly();
      if (header === undefined) return undefined;
      if (header.bytes !== bytes) {
        throw new JobError('internal', `ffmpeg gave a frame of ${header.bytes} bytes, not ${bytes}`);
      }
      given += 1;
      const timeBase = reader?.streams[0]?.timeBase ?? video.timeBase;
      // A change of size makes ffmpeg forget the last time: its muxer may then move a damaged one by less
      // than a tick.
      const rescale = options.tolerant ? rescaleDown : rescaleExact;
      return rescale(header.pts, timeBase, video.timeBase) - shift;
    },
    pixels: (into) => unlessFailed(run, async () => reader?.payload(into)),
    async [Symbol.asyncDispose]() {
      closed = true;
      await run[Symbol.asyncDispose]();
      await pipe[Symbol.asyncDispose]();
    },
  };
}

/** Returns what `read` returns. If it fails because ffmpeg failed, throws ffmpeg's own error. */
async function unlessFailed<T>(run: FfmpegProcess, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof JobError && error.code === 'ffmpeg') await run.done;
    throw error;
  }
}

function inputOptions({ tolerant, threads, gpu, from }: RawFrameOptions): string[] {
  return [
    ...(gpu === undefined ? threadOptions(tolerant ? 1 : threads) : nvdecOptions(gpu)),
    // An exit at each error would refuse recordings that start between keyframes.
    ...(tolerant ? ['-flags', '+output_corrupt'] : ['-xerror']),
    '-noautorotate',
    '-copyts',
    ...(from === undefined ? [] : ['-seek_timestamp', '1', '-noaccurate_seek', '-ss', from.toFixed(6)]),
  ];
}

/** What is concealed, and so what a tolerant job shows, depends on the number of threads: it has one. */
function threadOptions(threads: number | undefined): readonly string[] {
  return threads === undefined ? [] : ['-threads', String(threads)];
}

function outputOptions(stream: number, timeBase: string, chain: string): string[] {
  return [
    ...['-map', `0:${stream}`, '-max_error_rate', '1', '-filter:v', chain],
    ...['-fps_mode', 'passthrough', '-enc_time_base', timeBase],
    ...['-c:v', 'rawvideo', '-f', 'nut', '-write_index', '0'],
  ];
}

function filters(wire: WirePlan, first: readonly string[], times: string): string {
  const { width, height } = wire.format;
  return [
    `setpts='${times}'`,
    ...first,
    ...wire.filters,
    // Has an effect only if the size changes in mid-stream.
    `scale=${width}:${height}:flags=bicubic+accurate_rnd+full_chroma_int`,
    `format=${wire.pixelFormat}`,
  ].join(',');
}

/**
 * Returns the expression for the frames' times: shifted by `shift` ticks, always increasing. A muxer would
 * refuse other times or move them by less than a tick. The expression reports each time that it moves: a slip
 * of frame N by printing -N-1, a jump by printing N and then the ticks. Variable 0 is the frame's own time,
 * variable 1 the sum of the jumps.
 */
function advancingTimes(shift: number, { timeBase, averageRate }: SourceFacts['video']): string {
  const second = timeBase.den / timeBase.num;
  const rate = averageRate ?? UNKNOWN_RATE;
  const interval = Math.max(1, Math.round((second * rate.den) / rate.num));
  const info = 32; // AV_LOG_INFO
  const back = 'PREV_OUTPTS-ld(0)';
  const slip = `0*print(-N-1,${info})+PREV_OUTPTS+1`;
  const jump = `0*print(N,${info})+0*print(${back},${info})+0*st(1,ld(1)+${back}+${interval})+PREV_OUTPTS+${interval}`;
  const late = `if(lte(${back},${Math.round(second * MOST_SLIP_SECONDS)}),${slip},${jump})`;
  const timed = `if(isnan(PTS),PREV_OUTPTS+${interval},if(gt(ld(0),PREV_OUTPTS),ld(0),${late}))`;
  return `st(0,PTS+${shift}+ld(1));if(isnan(PREV_OUTPTS),if(isnan(PTS),${shift},ld(0)),${timed})`;
}
