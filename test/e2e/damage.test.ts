/** A damaged video is refused however it is split: with both values of --split the same exit code, and no output. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import t from 'tap';
import { clipFolder, makeClipAs } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { decodedFrames, runJob } from '../fixtures/job.js';
import { keyframesOf } from '../fixtures/keyframes.js';

t.setTimeout(1_800_000);

const TS_PACKET = 188;
const H264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', '-g', '12', '-bf', '2'];

const clip = (extension: string) => makeClipAs(`many-keyframes.${extension}`, H264);

/** A copy of `path` whose bytes are what `spoil` makes of them. */
async function spoiled(path: string, name: string, spoil: (bytes: Buffer) => Buffer): Promise<string> {
  const copy = join(clipFolder(), `${name}${extname(path)}`);
  await fs.writeFile(copy, spoil(await fs.readFile(path)));
  return copy;
}

/** Without `length` bytes from the place that is this part of the whole; `unit` bytes belong together. */
function without(part: number, length: number, unit = 1): (bytes: Buffer) => Buffer {
  return (bytes) => {
    const at = Math.floor((bytes.length * part) / unit) * unit;
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
  };
}

/** One keyframe with every eleventh byte of its middle third changed. */
async function spoiledKeyframe(path: string, number: number): Promise<string> {
  const [at, size] = (await keyframesOf(path))[number] ?? [0, 0];
  return spoiled(path, `keyframe-${number}`, (bytes) => {
    const end = at + Math.floor((2 * size) / 3);
    for (let here = at + Math.floor(size / 3); here < end; here += 11)
      bytes[here] = (bytes[here] ?? 0) ^ 0x5a;
    return bytes;
  });
}

async function both(t: { testdir(): string }, input: string) {
  const folder = t.testdir();
  const words = ['--model', await identityModel(folder), '--codec', 'ffv1', '--segment-seconds', '0.4'];
  const outputs = await Promise.all(
    ['frames', 'segments'].map(async (split) => {
      const output = join(folder, `${split}.mkv`);
      const run = await runJob(0, [input, output, ...words, '--provider', 'cpu', '--split', split]);
      return { ...run, output };
    }),
  );
  return { folder, outputs };
}

t.test('damage is refused in frames and in segments alike', async (t) => {
  const mkv = await clip('mkv');
  const mp4 = await clip('mp4');
  const last = (await keyframesOf(mp4)).length - 1;
  const cases = [
    await spoiled(mkv, 'cut-off', (bytes) => bytes.subarray(0, (2 * bytes.length) / 3)),
    await spoiled(mkv, 'hole', without(0.5, 3000)),
    await spoiled(await clip('ts'), 'lost-packets', without(0.5, 100 * TS_PACKET, TS_PACKET)),
    await spoiledKeyframe(mp4, 0),
    await spoiledKeyframe(mp4, Math.ceil(last / 2)),
    await spoiledKeyframe(mp4, last),
  ];
  for (const input of cases) {
    await t.test(basename(input), async (t) => {
      const { folder, outputs } = await both(t, input);
      for (const { code, stderr } of outputs) {
        t.equal(code, 1, stderr);
        t.match(stderr, /error: ".*" is damaged/);
      }
      t.notOk((await fs.readdir(folder)).some((name) => /^(frames|segments)\.mkv$/.test(name)));
    });
  }
});

t.test('a frame that the decoder completes without an error is refused, every time', async (t) => {
  const path = await clip('mkv');
  const { size } = await fs.stat(path);
  let input = '';
  for (let at = Math.floor(size / 2); input === '' && at < size; at += 37) {
    const changed = await spoiled(path, 'concealed', (bytes) => {
      bytes[at] = (bytes[at] ?? 0) ^ 0xff;
      return bytes;
    });
    const decoding = ['-v', 'warning', '-threads', '1', '-i', changed, '-f', 'null', '-'];
    const { stderr } = spawnSync('ffmpeg', decoding, { encoding: 'utf8' });
    if (/^[^\n]*corrupt decoded frame[^\n]*\n?$/.test(stderr)) input = changed;
  }
  t.not(input, '', 'there is such a frame');
  const folder = t.testdir();
  const model = await identityModel(folder);
  for (let time = 0; time < 6; time += 1) {
    const output = join(folder, `${time}.mkv`);
    const { code, stderr } = await runJob(0, [input, output, '--model', model, '--codec', 'ffv1']);
    t.equal(code, 1, stderr);
    t.match(stderr, /error: ".*" is damaged/);
  }
});

t.test('what is sound, or begins in mid-stream, is taken by both, with the same frames', async (t) => {
  const ts = await clip('ts');
  const [at, size] = (await keyframesOf(ts))[0] ?? [0, 0];
  const afterFirst = Math.ceil((at + size * 1.3) / TS_PACKET) * TS_PACKET;
  const cases = [
    await clip('mkv'),
    // The tables at its beginning, then what follows the first keyframe.
    await spoiled(ts, 'mid-stream', (bytes) =>
      Buffer.concat([bytes.subarray(0, 3 * TS_PACKET), bytes.subarray(afterFirst)]),
    ),
  ];
  for (const input of cases) {
    await t.test(basename(input), async (t) => {
      const { outputs } = await both(t, input);
      for (const { code, stderr } of outputs) t.equal(code, 0, stderr);
      const [frames, segments] = outputs.map(({ output }) => decodedFrames(output));
      t.strictSame(segments, frames);
      t.ok((frames?.length ?? 0) > 0);
    });
  }
});
