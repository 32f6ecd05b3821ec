/** One run of ffmpeg that decodes a video into raw frames. */
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

/** The frames of one run, as ffmpeg gives them. */
export interface RawFrames {
  /** The next frame's PTS in ticks of the source; its pixels are skipped unless read. Undefined at the end. */
  next(): Promise<number | undefined>;
  /** How many frames `next` has given. */
  readonly given: number;
  /** Copies the pixels of the frame that `next` gave last. */
  pixels(into: Uint8Array): Promise<void>;
  /** What ffmpeg has complained of in decoding so far, beyond what it forgives. */
  readonly damage: DamageLog;
  /** ffmpeg's name of the pixel format that the decoder gave first; undefined before the first frame. */
  readonly decodedFormat: string | undefined;
  /** ffmpeg's last warnings and errors. */
  messages(): readonly string[];
  /** Idempotent. */
  close(): Promise<void>;
}

export interface RunOptions {
  readonly tolerant: boolean;
  readonly threads: number | undefined;
  /** The CUDA device whose NVDEC decodes; software does where undefined. */
  readonly gpu: number | undefined;
  /** Seconds, as timestamps in the file have them: start at the last keyframe before it. From the beginning where undefined. */
  readonly from: number | undefined;
}

/** Seconds added to every PTS on the way, since NUT holds none below zero. */
const SHIFT_SECONDS = 60;
/** Timestamps that go back by more seconds than these are not a slip of rounding. */
const MOST_SLIP_SECONDS = 1;

/** Starts decoding. Errors: JobError('ffmpeg') where ffmpeg cannot be started. */
export async function openRawFrames(
  source: SourceFacts,
  wire: WirePlan,
  options: RunOptions,
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
      talkative: true,
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
    await pipe.close();
    throw error;
  });
  const bytes = frameBytes(wire.format.width, wire.format.height);
  let reader: NutReader | undefined;
  let closed = false;
  let given = 0;

  /** After a seek errors may be about what lies before the place where it ended: whoever seeks looks at the frames. */
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
        reader ??= await openNutReader(pipe, `what ffmpeg makes of "${path}"`);
        return reader.next();
      });
      if (header === undefined) await run.done; // An end is one only if ffmpeg says so, and all that it said is heard.
      await judgeEarly();
      if (header === undefined) return undefined;
      if (header.bytes !== bytes) {
        throw new JobError('internal', `ffmpeg gave a frame of ${header.bytes} bytes, not ${bytes}`);
      }
      given += 1;
      const timeBase = reader?.streams[0]?.timeBase ?? video.timeBase;
      // A change of size makes ffmpeg forget the last time: its muxer may then move a damaged one by less than a tick.
      const rescale = options.tolerant ? rescaleDown : rescaleExact;
      return rescale(header.pts, timeBase, video.timeBase) - shift;
    },
    pixels: (into) => unlessFailed(run, async () => reader?.payload(into)),
    async close() {
      closed = true;
      run.kill();
      await run.done.catch(() => undefined);
      await pipe.close();
    },
  };
}

/** What `read` gives; where that fails because ffmpeg did, ffmpeg's own words are the error. */
async function unlessFailed<T>(run: FfmpegProcess, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof JobError && error.code === 'ffmpeg') await run.done;
    throw error;
  }
}

function inputOptions({ tolerant, threads, gpu, from }: RunOptions): string[] {
  return [
    ...(gpu !== undefined ? nvdecOptions(gpu) : threads === undefined ? [] : ['-threads', String(threads)]),
    // Exploding at each error would refuse recordings that start between keyframes.
    ...(tolerant ? ['-flags', '+output_corrupt'] : ['-xerror']),
    '-noautorotate',
    '-copyts',
    ...(from === undefined ? [] : ['-seek_timestamp', '1', '-noaccurate_seek', '-ss', from.toFixed(6)]),
  ];
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
    // Does nothing unless the size changes in mid-stream.
    `scale=${width}:${height}:flags=bicubic+accurate_rnd+full_chroma_int`,
    `format=${wire.pixelFormat}`,
  ].join(',');
}

/**
 * The expression for frames' times, shifted by `shift` ticks, always advancing: a muxer would refuse others, or move
 * them by less than a tick. What it has to move, it tells of: a slip of frame N by printing -N-1, a jump by printing N
 * and then the ticks. Variable 0 is the frame's own time, 1 what jumps add to it.
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
