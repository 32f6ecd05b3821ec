/** The names of outputs that the user does not name: `--out-dir` and `watch` share the rule. */
import t from 'tap';
import { parseArguments } from '../../../src/cli/arguments.js';
import { inFolder } from '../../../src/job/output/output-folders.js';
import { formerOutputName, outputName } from '../../../src/job/output/output-name.js';
import { CODECS } from '../../../src/video/codecs/codec.js';

const H264 = { codec: 'h264', format: undefined } as const;

t.test("an output keeps its video's name where the suffix is that of the container", async (t) => {
  for (const name of ['a.mp4', 'a b.MOV', 'x/a.MP4', 'a.m4v', 'a.avi.mkv', 'x.y/a.mkv'])
    t.equal(outputName(name, H264), name);
  t.equal(outputName('a.webm', { codec: 'vp9', format: undefined }), 'a.webm');
  t.equal(outputName('a.m4v', { codec: 'h264', format: 'mp4' }), 'a.m4v');
  t.equal(outputName('x/a.MKV', { codec: 'h264', format: 'matroska' }), 'x/a.MKV');
});

t.test('and gets it appended where it is not', async (t) => {
  t.equal(outputName('a.tar.avi', H264), 'a.tar.avi.mkv');
  t.equal(outputName('x/a.webm', H264), 'x/a.webm.mkv');
  t.equal(outputName('a', H264), 'a.mkv');
  t.equal(outputName('.a', H264), '.a.mkv');
  t.equal(outputName('x.mp4/a', H264), 'x.mp4/a.mkv');
  t.equal(outputName('a.mp4', { codec: 'prores', format: undefined }), 'a.mp4.mkv');
  t.equal(outputName('a.mp4', { codec: 'prores', format: 'MOV' }), 'a.mp4.mov');
  t.throws(() => outputName('a.mp4', { codec: 'h264', format: 'xyz' }), { code: 'usage' });
});

t.test('in a folder an output has the name of its input', async (t) => {
  const place = (input: string, output: string, format?: string) => {
    const command = parseArguments([input, output, '--table', '.csv'], '1');
    if (command.kind !== 'job') throw new Error(command.kind);
    const { output: made, table } = inFolder({ ...command.options, format });
    return [made, table];
  };
  t.same(place('x/a.mp4', 'out'), ['out/a.mp4', 'out/a.mp4.csv']);
  t.same(place('/x/a.avi', 'out/'), ['out/a.avi.mkv', 'out/a.avi.mkv.csv']);
  t.same(place('a.mp4', '.', 'webm'), ['a.mp4.webm', 'a.mp4.webm.csv']);
  const blobs = 'https://account.blob.core.windows.net/videos';
  t.same(place(`${blobs}/x/a.mp4`, `${blobs}/y/?sig=s`), [
    `${blobs}/y/a.mp4?sig=s`,
    `${blobs}/y/a.mp4.csv?sig=s`,
  ]);
  t.throws(() => place('..', 'out/'), { code: 'usage', message: /no file name/ });
});

t.test('tables have the names of their videos, with the suffix of --format', async (t) => {
  const named = (name: string, format: string) => outputName(name, { codec: 'h264', format });
  t.equal(named('x/a.mp4', 'parquet'), 'x/a.mp4.parquet');
  t.equal(named('a', 'CSV'), 'a.csv');
  t.equal(named('a.mp4.jsonl', 'ndjson'), 'a.mp4.jsonl', 'a name that was given stays');
  t.equal(formerOutputName('a.mp4', { codec: 'h264', format: 'jsonl' }), 'a.mp4.jsonl');
});

t.test('videos of one name with other suffixes have outputs of their own', async (t) => {
  const videos = ['avi', 'mkv', 'mov', 'mp4', 'ts', 'webm', 'wmv'].map((suffix) => `a.${suffix}`);
  for (const codec of CODECS)
    for (const format of [undefined, 'mkv', 'mp4', 'csv'])
      t.equal(new Set(videos.map((name) => outputName(name, { codec, format }))).size, videos.length);
});

t.test('a name that would be too long gets one that fits', async (t) => {
  t.match(outputName(`x/${'y'.repeat(251)}.avi`, H264), /^x\/y+~[0-9a-f]{16}\.mkv$/);
  t.equal(Buffer.byteLength(outputName(`${'y'.repeat(252)}.ts`, H264)), 255);
  t.equal(outputName(`${'y'.repeat(251)}.mp4`, H264), `${'y'.repeat(251)}.mp4`);
});

t.test('version 0.1 put the suffix in place of the old one', async (t) => {
  t.equal(formerOutputName('a.mp4', H264), 'a.mp4');
  t.equal(formerOutputName('a.tar.avi', H264), 'a.tar.mkv');
  t.equal(formerOutputName('a', H264), 'a.mkv');
  t.equal(formerOutputName('a.mp4', { codec: 'prores', format: 'mov' }), 'a.mov');
  t.match(formerOutputName(`${'y'.repeat(252)}.ts`, H264), /^y+~[0-9a-f]{16}\.mkv$/);
});
