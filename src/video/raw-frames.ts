/** One run of ffmpeg that decodes a video into raw frames. */
import { JobError } from '../errors.js';
import { streamSource } from './byte-source.js';
import { type FfmpegProcess, plainMessage, startFfmpeg } from './ffmpeg.js';
import { frameBytes } from './frame-format.js';
import { type NutReader, openNutReader } from './nut-reader.js';
import { rescaleExact } from './rational.js';
import type { SourceFacts } from './source-facts.js';
import type { WirePlan } from './wire.js';

/** The frames of one run, as ffmpeg gives them. */
export interface RawFrames {
  /** The next frame's PTS in ticks of the source; its pixels are skipped unless read. Undefined at the end. */
  next(): Promise<number | undefined>;
  /** Copies the pixels of the frame that `next` gave last. */
  pixels(into: Uint8Array): Promise<void>;
  /** What ffmpeg has complained of in decoding so far, beyond what it forgives. */
  readonly damage: DamageLog;
  /** Idempotent. */
  close(): Promise<void>;
}

/** ffmpeg's complaints. */
export interface DamageLog {
  /** Messages of error level about what is being decoded. */
  errors: number;
  /** The first of them. */
  first: string | undefined;
  /** Other things that the user should know, one line each. */
  readonly notes: Set<string>;
}

export interface RunOptions {
  readonly tolerant: boolean;
  readonly threads: number | undefined;
  /** Seconds, as timestamps in the file have them: start at the last keyframe before it. From the beginning where undefined. */
  readonly from: number | undefined;
}

/** Seconds added to every PTS on the way, since NUT holds none below zero. */
const SHIFT_SECONDS = 60;
/** Complaints of strict decoders about streams that decode well. */
const FORGIVEN = /mmco: unref short failure|co located POCs unavailable|number of reference frames/;
/** Demuxers say these, and then end as if all were well. */
const CUT_SHORT = /File ended prematurely|partial file|[Tt]runcat/;

/** Starts decoding. Errors: JobError('ffmpeg') where ffmpeg cannot be started. */
export async function openRawFrames(
  source: SourceFacts,
  wire: WirePlan,
  options: RunOptions,
): Promise<RawFrames> {
  const { path, video } = source;
  const { num, den } = video.timeBase;
  const shift = Math.max(0, -(video.startPts ?? 0)) + Math.ceil((SHIFT_SECONDS * den) / num);
  const pipe = streamSource();
  const damage: DamageLog = { errors: 0, first: undefined, notes: new Set() };
  const run = await startFfmpeg(
    {
      task: `decoding "${path}"`,
      talkative: true,
      inputs: [{ from: { file: path }, options: inputOptions(options) }],
      outputs: [{ to: 'stdout', options: outputOptions(video.index, `${num}:${den}`, filters(wire, shift)) }],
    },
    { stdout: pipe.sink, onMessage: damageListener(damage, wire) },
  );
  const bytes = frameBytes(wire.format.width, wire.format.height);
  let reader: NutReader | undefined;
  let closed = false;

  return {
    damage,
    async next() {
      if (closed) throw new JobError('internal', `a read of "${path}" after its end`);
      const header = await ended(run, async () => {
        reader ??= await openNutReader(pipe, `what ffmpeg makes of "${path}"`);
        return reader.next();
      });
      if (header === undefined) return undefined;
      if (header.bytes !== bytes) {
        throw new JobError('internal', `ffmpeg gave a frame of ${header.bytes} bytes, not ${bytes}`);
      }
      const timeBase = reader?.streams[0]?.timeBase ?? video.timeBase;
      return rescaleExact(header.pts, timeBase, video.timeBase) - shift;
    },
    pixels: (into) => ended(run, async () => reader?.payload(into)),
    async close() {
      closed = true;
      run.kill();
      pipe.discard();
      await run.done.catch(() => undefined);
    },
  };
}

/** What `read` gives; where that is the end or an error, ffmpeg's own end decides, and its own words are the error. */
async function ended<T>(run: FfmpegProcess, read: () => Promise<T>): Promise<T> {
  try {
    const value = await read();
    if (value === undefined) await run.done;
    return value;
  } catch (error) {
    await run.done;
    throw error;
  }
}

function inputOptions({ tolerant, threads, from }: RunOptions): string[] {
  return [
    ...(threads === undefined ? [] : ['-threads', String(threads)]),
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

function filters(wire: WirePlan, shift: number): string {
  const { width, height } = wire.format;
  return [
    `setpts=PTS+${shift}`,
    ...wire.filters,
    // Does nothing unless the size changes in mid-stream.
    `scale=${width}:${height}:flags=bicubic+accurate_rnd+full_chroma_int`,
    `format=${wire.pixelFormat}`,
  ].join(',');
}

/** Sorts ffmpeg's messages into `damage`. */
function damageListener(damage: DamageLog, wire: WirePlan): (line: string) => void {
  // Before this line ffmpeg looks for what streams there are, and may start between two keyframes.
  let decoding = false;
  let size: string | undefined;
  return (line) => {
    if (line.includes('Stream mapping:')) decoding = true;
    const graph = /graph .*input.* w:(\d+) h:(\d+) /.exec(line);
    if (graph !== null) {
      const next = `${graph[1]}x${graph[2]}`;
      if (size !== undefined && size !== next) {
        damage.notes.add(
          `the frames change from ${size} to ${next} on the way: scaled to ${wire.format.width}x${wire.format.height}`,
        );
      }
      size = next;
    }
    if (!/\[(error|fatal|panic)\]/.test(line)) return;
    if (!(decoding || CUT_SHORT.test(line))) return;
    if (FORGIVEN.test(line)) {
      damage.notes.add(`ffmpeg warns: ${plainMessage(line)}`);
      return;
    }
    damage.errors += 1;
    damage.first ??= plainMessage(line);
  };
}
