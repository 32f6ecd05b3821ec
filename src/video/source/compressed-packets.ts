/** Reads a video's compressed packets as FFmpeg demuxes them, without decoding. */
import { JobError } from '../../system/errors.js';
import { ffprobeLines, startFfmpeg } from '../ffmpeg/ffmpeg.js';
import { isError, isForgiven, plainMessage } from '../ffmpeg/ffmpeg-messages.js';
import { incomingPipe } from '../ffmpeg/pipe.js';
import { openNutReader } from '../formats/nut.js';
import type { NutStream } from '../formats/nut-format.js';
import { rescaleExact } from '../formats/rational.js';
import { canBeCut, isIntraOnly, keyframeOf } from './random-access.js';
import type { SourceFacts } from './source-facts.js';
import type { ListedPacket } from './timeline.js';

/** One compressed packet of the video stream. */
export interface CompressedPacket {
  /** Ticks of the source's time base, as in the file. */
  readonly pts: number;
  readonly keyframe: boolean;
  readonly data: Uint8Array;
}

/**
 * The packets of one video stream, in decoding order. Disposing of them stops ffmpeg if it still runs.
 * Idempotent.
 */
export interface CompressedPackets extends AsyncDisposable {
  /** The codec facts of the stream. Its own time base is not the packets'. */
  readonly stream: NutStream;
  /**
   * Returns the next packet; undefined at the end.
   *
   * @throws {JobError} ffmpeg: when ffmpeg fails.
   */
  next(): Promise<CompressedPacket | undefined>;
}

/**
 * Opens the video stream of `source`, whose first packet has PTS `firstPts`. A muxer may shift all times
 * alike: the packets have those of the file.
 *
 * @throws {JobError} ffmpeg: when ffmpeg cannot be started or cannot read the file.
 */
export async function openCompressedPackets(
  source: SourceFacts,
  firstPts: number,
): Promise<CompressedPackets> {
  const { path, video } = source;
  const pipe = incomingPipe();
  const run = await startFfmpeg(
    {
      task: `cutting "${path}"`,
      inputs: [{ from: { file: path }, options: [...source.openOptions, '-copyts'] }],
      outputs: [
        {
          to: 'stdout',
          options: [
            ...['-map', `0:${video.index}`, '-c', 'copy', '-copytb', '1', '-copyinkf'],
            ...['-f', 'nut', '-write_index', '0'],
          ],
        },
      ],
    },
    { stdout: pipe.childEnd },
  ).catch(async (error: unknown) => {
    await pipe[Symbol.asyncDispose]();
    throw error;
  });
  const close = async (): Promise<void> => {
    await run[Symbol.asyncDispose]();
    await pipe[Symbol.asyncDispose]();
  };
  try {
    const reader = await openNutReader(pipe, `ffmpeg's output for "${path}"`);
    const [stream] = reader.streams;
    if (stream === undefined) throw new JobError('internal', `ffmpeg gave no stream of "${path}"`);
    let shift: number | undefined;
    return {
      stream,
      [Symbol.asyncDispose]: close,
      async next() {
        const header = await reader.next();
        if (header === undefined) {
          await run.done; // Only ffmpeg's exit code confirms the end.
          return undefined;
        }
        const data = new Uint8Array(header.bytes);
        await reader.payload(data);
        const time = rescaleExact(header.pts, stream.timeBase, video.timeBase);
        shift ??= time - firstPts;
        return { pts: time - shift, keyframe: header.keyframe, data };
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Returns whether decoding gives all frames from the video's first packet on. False, too, if that is unknown:
 * if the codec's packets cannot be parsed here, or ffmpeg cannot copy them.
 */
export async function beginsWhole(source: SourceFacts): Promise<boolean> {
  const { codec, startPts } = source.video;
  if (isIntraOnly(codec) || !canBeCut(codec)) return isIntraOnly(codec);
  try {
    await using packets = await openCompressedPackets(source, startPts ?? 0);
    const first = await packets.next();
    if (first?.keyframe !== true) return false;
    return keyframeOf(codec, packets.stream.extradata, first.data).access === 'independent';
  } catch (error) {
    if (error instanceof JobError) return false;
    throw error;
  }
}

/** Side data of packets, by ffprobe's names, that a piece cut out of the stream would lack. */
const CHANGES = /New Extradata|Param Change|Palette/;
/** Demuxers' warnings about damaged packets. */
const CORRUPT = /Packet corrupt \(stream = \d+/;

/**
 * Lists the video stream's packets in decoding order. `onDamage` is called with ffprobe's messages about
 * damage.
 *
 * @throws {JobError} ffmpeg: when ffprobe cannot read the file.
 */
export async function* listPackets(
  source: SourceFacts,
  onDamage?: (message: string) => void,
): AsyncGenerator<ListedPacket, void, undefined> {
  const entries = 'packet=pts,dts,size,flags:packet_side_data=side_data_type';
  // One line per packet, with all fields.
  const shown = ['-select_streams', `${source.video.index}`, '-show_entries', entries, '-of', 'compact=p=0'];
  const args = [...source.openOptions, ...shown];
  const hear = (line: string): void => {
    if (isForgiven(line) || !(isError(line) || CORRUPT.test(line))) return;
    onDamage?.(plainMessage(line));
  };
  for await (const line of ffprobeLines(source.path, args, hear)) {
    const told = new Map(line.split('|').map((entry) => entry.split('=', 2) as [string, string]));
    const flags = told.get('flags');
    if (flags === undefined) continue;
    yield {
      pts: wholeNumber(told.get('pts')),
      dts: wholeNumber(told.get('dts')),
      keyframe: flags.includes('K'),
      hidden: flags.includes('D'),
      bytes: wholeNumber(told.get('size')) ?? 0,
      changes: CHANGES.test(line),
    };
  }
}

function wholeNumber(text: string | undefined): number | undefined {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}
