/** Checks a finished file against the plan, before it takes its place. */

import type { EncodeSpec } from '../codecs/codec.js';
import { type HdrMetadata, hdrParts, isSameHdr } from '../formats/hdr-metadata.js';
import { reduced } from '../formats/rational.js';
import { streamAt, videoTrack } from '../mux/mux-command.js';
import type { SegmentFacts } from '../mux/segment-packets.js';
import { wrongStreams } from '../mux/stream-check.js';
import { nameOf, type StreamPlan } from '../mux/stream-plan.js';
import type { SourceFacts } from '../source/source-facts.js';
import { frameMarks } from '../source/video-samples.js';
import { type FinishedFile, readFinished, videoAt } from './finished-file.js';
import { verifyDigests } from './verify-digests.js';
import { checkPackets, type ExpectedVideo, wrong } from './verify-packets.js';

/** The expected content of the finished file. */
export interface OutputExpectation extends ExpectedVideo {
  readonly streams: StreamPlan;
  /** The encoding. An undefined sample aspect ratio is not compared. */
  readonly video: ExpectedVideo['video'] & Partial<Pick<EncodeSpec, 'sampleAspectRatio' | 'hdr'>>;
  /** The segments that were muxed. */
  readonly segments: readonly SegmentFacts[];
}

/**
 * The allowed difference. A container with the display width in whole pixels is off by half a pixel: 3% of 16
 * pixels.
 */
const MOST_ASPECT_DIFFERENCE = 0.04;

/**
 * Checks the finished file at `path` without decoding it, but for a few frames where these alone may hold
 * HDR metadata: the video's packets and their times, its colour tags, HDR metadata and sample aspect ratio,
 * that the packets are the encoded ones, and that every planned stream is there in its codec. `file` is the
 * result of `readFinished`, if there is one since the file was written. Returns notes on what the container
 * or the codec cannot hold exactly.
 *
 * @throws {JobError} output: when the file differs; the message says how.
 */
export async function verifyOutput(
  path: string,
  expected: OutputExpectation,
  file?: FinishedFile,
): Promise<readonly string[]> {
  const track = videoTrack(expected.source, expected.streams);
  const found = file ?? (await readFinished(path, track));
  const output = found.facts;
  checkStreams(path, output, expected);
  const { index } = output.video;
  if (videoAt(output.streams, track)?.index !== index) {
    throw wrong(path, `the video is stream ${index}, not number ${track} (from 0) of its tracks`);
  }
  checkPackets(path, found, expected);
  await verifyDigests(path, found, expected.segments);
  await checkHdr(path, output, expected.video.hdr);
  return aspectNotes(path, output, expected);
}

/** Checks static HDR metadata: of the stream, or of its first frames. */
async function checkHdr(path: string, output: SourceFacts, wanted: HdrMetadata | undefined): Promise<void> {
  if (wanted === undefined || isSameHdr(output.video.hdr10, wanted)) return;
  const marks = await frameMarks(output);
  if (isSameHdr(marks?.hdr10, wanted)) return;
  throw wrong(path, `its HDR metadata (${hdrParts(wanted)}) is missing or differs from the source's`);
}

function aspectNotes(path: string, output: SourceFacts, expected: OutputExpectation): readonly string[] {
  const { sampleAspectRatio } = expected.video;
  if (sampleAspectRatio === undefined) return [];
  const wanted = reduced(sampleAspectRatio);
  const found = reduced(output.video.sampleAspectRatio ?? { num: 1, den: 1 });
  if (wanted.num === found.num && wanted.den === found.den) return [];
  const [instead, asked] = [`${found.num}:${found.den}`, `${wanted.num}:${wanted.den}`];
  const off = (found.num * wanted.den) / (found.den * wanted.num) - 1;
  if (Math.abs(off) > MOST_ASPECT_DIFFERENCE) {
    throw wrong(path, `its sample aspect ratio is ${instead} instead of ${asked}`);
  }
  const nearest = `the nearest to the source's ${asked} that .${expected.container.name} with this codec can say`;
  return [`The sample aspect ratio is ${instead}, ${nearest}.`];
}

function checkStreams(path: string, output: SourceFacts, expected: OutputExpectation): void {
  const { source, streams } = expected;
  const [first] = wrongStreams(output, source, streams);
  if (first === undefined) return;
  const [index, difference] = first;
  throw wrong(path, `${nameOf(streamAt(source, index))} is ${difference}`);
}
