/** Checks that a finished file holds exactly the packets that were encoded. */
import { type FileHandle, open } from 'node:fs/promises';
import { JobError } from '../../system/errors.js';
import { startFfmpeg } from '../ffmpeg/ffmpeg.js';
import { incomingPipe } from '../ffmpeg/pipe.js';
import { openNutReader } from '../formats/nut.js';
import { packetDigest } from '../mux/packet-digest.js';
import type { SegmentFacts } from '../mux/segment-packets.js';
import type { FinishedFile } from './finished-file.js';

const WINDOW_BYTES = 2 ** 20;
/** The track's number has eight bytes at most. */
const LONGEST_BLOCK_HEAD = 11;
/** The bits of a block's flags that are set if it holds several frames. */
const LACING = 0x06;

/**
 * Reads back the packets of the video in `file`, at `path`, and compares each with the inspected segments.
 * Times and sizes can be right in a file with wrong bytes, as when two programs wrote to it. The bytes are
 * read at the positions that the demuxer found. If they seem to differ, ffmpeg's own packets decide, because
 * demuxers add to packets of some codecs (ProRes in Matroska).
 *
 * @throws {JobError} output: when a packet differs; the message says which.
 * @throws {JobError} ffmpeg: when the file cannot be read.
 */
export async function verifyDigests(
  path: string,
  file: FinishedFile,
  segments: readonly SegmentFacts[],
): Promise<void> {
  const expected = segments.flatMap(({ digests }) => [...digests]);
  if (await holdsInPlace(path, file, segments, expected)) return;
  let count = 0;
  for await (const digest of digestsOf(path, file.facts.video.index)) {
    if (count < expected.length && digest !== expected[count]) {
      throw wrong(path, `packet ${count} (from 0) of its video is not what was encoded`);
    }
    count += 1;
  }
  if (count !== expected.length) {
    throw wrong(path, `it holds ${count} packets of video instead of ${expected.length}`);
  }
}

/** Returns whether the bytes at the packets' positions are those that were encoded. */
async function holdsInPlace(
  path: string,
  { facts, packets }: FinishedFile,
  segments: readonly SegmentFacts[],
  expected: readonly number[],
): Promise<boolean> {
  const { positions, sizes } = packets;
  const [first] = segments;
  if (first === undefined || positions.length !== expected.length) return false;
  const digest = packetDigest(first.stream, 'in a file');
  const blocks = facts.format.startsWith('matroska');
  await using file = await open(path);
  const read = windowOn(file);
  for (const [packet, position] of positions.entries()) {
    const bytes = sizes[packet] ?? Number.NaN;
    const head = blocks ? await blockHead(read, position) : 0;
    if (head === undefined || !Number.isFinite(position + bytes)) return false;
    const data = await read(position + head, bytes);
    if (data.length < bytes || digest(data) !== expected[packet]) return false;
  }
  return true;
}

/**
 * Returns the bytes before the frame in a block of Matroska (RFC 9559, 10.1); undefined if it holds several
 * frames.
 */
async function blockHead(read: Read, position: number): Promise<number | undefined> {
  if (!Number.isFinite(position)) return undefined;
  const bytes = await read(position, LONGEST_BLOCK_HEAD);
  const track = Math.clz32(bytes[0] ?? 0) - 23;
  // The track's number, a time of two bytes, and flags.
  const flags = bytes[track + 2] ?? LACING;
  return (flags & LACING) === 0 ? track + 3 : undefined;
}

type Read = (at: number, length: number) => Promise<Uint8Array>;

/**
 * Returns a function that reads a file in large parts from its beginning on: packets lie one after the other.
 */
function windowOn(file: FileHandle): Read {
  let window = Buffer.alloc(WINDOW_BYTES);
  let from = 0;
  let held = 0;
  return async (at, length) => {
    if (at < from || at + length > from + held) {
      if (length > window.length) window = Buffer.alloc(length);
      held = (await file.read(window, 0, window.length, at)).bytesRead;
      from = at;
    }
    return window.subarray(at - from, Math.min(at - from + length, held));
  };
}

async function* digestsOf(path: string, index: number): AsyncGenerator<number, void, undefined> {
  await using pipe = incomingPipe();
  const options = ['-map', `0:${index}`, '-c', 'copy', '-copyinkf', '-f', 'nut', '-write_index', '0'];
  await using run = await startFfmpeg(
    {
      task: `reading back "${path}"`,
      inputs: [{ from: { file: path }, options: ['-copyts'] }],
      outputs: [{ to: 'stdout', options }],
    },
    { stdout: pipe.childEnd },
  );
  const reader = await openNutReader(pipe, `ffmpeg's output for "${path}"`);
  const [stream] = reader.streams;
  if (stream === undefined) throw new JobError('internal', `ffmpeg gave no stream of "${path}"`);
  const digest = packetDigest(stream);
  for (let packet = await reader.next(); packet !== undefined; packet = await reader.next()) {
    const data = new Uint8Array(packet.bytes);
    await reader.payload(data);
    yield digest(data);
  }
  await run.done; // Only ffmpeg's exit code confirms the end.
}

function wrong(path: string, what: string): JobError {
  return new JobError('output', `the finished file "${path}" is not as it should be: ${what}`, {
    hint: 'It was not put in place. Run the same command again: it only has to mux the file again.',
  });
}
