/** Checks that a finished file holds the very packets that were encoded. */
import { JobError } from '../errors.js';
import { startFfmpeg } from './ffmpeg.js';
import { openNutReader } from './nut.js';
import { packetDigest } from './packet-digest.js';
import { incomingPipe } from './pipe.js';
import type { SegmentFacts } from './segment-packets.js';

/**
 * Reads the packets of stream `index` of the file at `path` back and compares each with what the segments held when they were
 * looked through. Times and sizes can be right in a file whose bytes are wrong: two writers at one file leave such.
 * Errors: JobError('output') saying which packet differs, JobError('ffmpeg') where the file cannot be read.
 */
export async function verifyDigests(
  path: string,
  index: number,
  segments: readonly SegmentFacts[],
): Promise<void> {
  const expected = segments.flatMap(({ digests }) => [...digests]);
  let count = 0;
  for await (const digest of digestsOf(path, index)) {
    if (count < expected.length && digest !== expected[count]) {
      throw wrong(path, `packet ${count} (from 0) of its video is not what was encoded`);
    }
    count += 1;
  }
  if (count !== expected.length) {
    throw wrong(path, `it holds ${count} packets of video instead of ${expected.length}`);
  }
}

async function* digestsOf(path: string, index: number): AsyncGenerator<number, void, undefined> {
  const pipe = incomingPipe();
  const options = ['-map', `0:${index}`, '-c', 'copy', '-copyinkf', '-f', 'nut', '-write_index', '0'];
  try {
    const run = await startFfmpeg(
      {
        task: `reading back "${path}"`,
        inputs: [{ from: { file: path }, options: ['-copyts'] }],
        outputs: [{ to: 'stdout', options }],
      },
      { stdout: pipe.childEnd },
    );
    try {
      const reader = await openNutReader(pipe, `what ffmpeg makes of "${path}"`);
      const [stream] = reader.streams;
      if (stream === undefined) throw new JobError('internal', `ffmpeg gave no stream of "${path}"`);
      const digest = packetDigest(stream);
      for (let packet = await reader.next(); packet !== undefined; packet = await reader.next()) {
        const data = new Uint8Array(packet.bytes);
        await reader.payload(data);
        yield digest(data);
      }
      await run.done; // An end is one only if ffmpeg says so.
    } finally {
      run.kill();
      await run.done.catch(() => undefined);
    }
  } finally {
    await pipe.close();
  }
}

function wrong(path: string, what: string): JobError {
  return new JobError('output', `the finished file "${path}" is not as it should be: ${what}`, {
    hint: 'It was not put in place. Run the same command again, which only has to put it together.',
  });
}
