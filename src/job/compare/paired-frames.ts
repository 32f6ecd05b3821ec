/** Decodes the videos of a comparison side by side, and pairs their frames by their order. */
import { JobError } from '../../system/errors.js';
import { frameBytes } from '../../video/formats/frame-format.js';
import { type Decoder, openDecoder } from '../../video/frames/decode.js';
import { withDisplayName } from '../prepare/source.js';
import type { ComparedVideo, ComparedVideos } from './open-videos.js';

/** Frames that belong together. Their bytes are valid until the next are read. */
export interface PairedFrames {
  /** From 1. */
  readonly frame: number;
  /** Since the first frame. */
  readonly seconds: number;
  readonly reference: Uint8Array;
  readonly other: Uint8Array;
  /** The reference itself where it is the source. */
  readonly source: Uint8Array;
}

/** The frames of one video, one after another. */
interface Reader {
  readonly video: ComparedVideo;
  readonly decoder: Decoder;
  readonly data: Uint8Array;
  /** PTS of the first frame and of the last, in ticks of the video. */
  first: number | undefined;
  last: number | undefined;
}

/**
 * Yields the frames of all videos, in order. At the end, `tell` gets what was odd about their frames, one
 * line each.
 *
 * @throws {JobError} input: when a video is damaged, or they do not have as many frames at the same times.
 * @throws the reason of `stopped`, once it is aborted.
 */
export async function* pairedFrames(
  { reference, other, source }: ComparedVideos,
  stopped: AbortSignal,
  tell: (note: string) => void,
): AsyncGenerator<PairedFrames, void, undefined> {
  const readers: Reader[] = [];
  try {
    for (const video of [reference, other, ...(source === undefined ? [] : [source])]) {
      const decoder = await withDisplayName(video.copy, () =>
        openDecoder(video.facts, video.wire, { tolerant: false }),
      );
      const data = new Uint8Array(frameBytes(video.wire.format));
      readers.push({ video, decoder, data, first: undefined, last: undefined });
    }
    const [first, second, third = first] = readers;
    if (first === undefined || second === undefined || third === undefined) return;
    for (let frame = 1; ; frame++) {
      if (stopped.aborted) throw stopped.reason;
      await Promise.all(readers.map(readNext));
      refuseOtherEnd(readers, frame);
      if (first.last === undefined) break;
      for (const one of readers.slice(1)) refuseOtherTime(first, one, frame);
      yield {
        ...{ frame, seconds: secondsOf(first) },
        ...{ reference: first.data, other: second.data, source: third.data },
      };
    }
    for (const { video, decoder } of readers)
      for (const line of decoder.warnings) tell(`"${video.copy.display}": ${line}`);
  } finally {
    for (const { decoder } of readers) await decoder[Symbol.asyncDispose]();
  }
}

async function readNext(reader: Reader): Promise<void> {
  const { video, decoder, data } = reader;
  reader.last = await withDisplayName(video.copy, () => decoder.read(data));
  reader.first ??= reader.last;
}

/** Returns the time of a reader's frame since its first. */
function secondsOf({ video, first = 0, last = 0 }: Reader): number {
  return (last - first) * secondsPerTick(video);
}

function secondsPerTick({ facts }: ComparedVideo): number {
  return facts.video.timeBase.num / facts.video.timeBase.den;
}

/** Refuses videos of which one ends before another. */
function refuseOtherEnd(readers: readonly Reader[], frame: number): void {
  const ended = readers.find(({ last }) => last === undefined);
  const longer = readers.find(({ last }) => last !== undefined);
  if (ended === undefined || longer === undefined) return;
  throw new JobError(
    'input',
    `the videos have different numbers of frames: "${ended.video.copy.display}" ends after ${frame - 1}, "${longer.video.copy.display}" has more`,
    { hint: 'compare videos of the same frames, such as two outputs of one source' },
  );
}

/** Refuses frames that are shown at different times. Each time may be rounded to its video's ticks. */
function refuseOtherTime(reference: Reader, other: Reader, frame: number): void {
  const [own, its] = [secondsOf(reference), secondsOf(other)];
  if (Math.abs(own - its) <= secondsPerTick(reference.video) + secondsPerTick(other.video)) return;
  throw new JobError(
    'input',
    `frame ${frame} is shown at different times: at ${own.toFixed(3)} s in "${reference.video.copy.display}", at ${its.toFixed(3)} s in "${other.video.copy.display}"`,
    { hint: 'frames are paired by their order: compare videos of the same frames at the same times' },
  );
}
