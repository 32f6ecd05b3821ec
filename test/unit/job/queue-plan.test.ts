import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { parseArguments } from '../../../src/cli/arguments.js';
import type { JobOptions, QueueOptions } from '../../../src/job/context/options.js';
import { planQueue, resultName } from '../../../src/job/queue/queue-plan.js';
import { videosInFolder } from '../../../src/storage/video-listing.js';

const SAS = '?sv=1&sig=CANARY';

function asked(...argv: string[]): QueueOptions {
  const command = parseArguments(argv, '1');
  if (command.kind !== 'queue') throw new Error(`parsed as ${command.kind}`);
  return command.options;
}

const plan = (...argv: string[]): Promise<readonly JobOptions[]> =>
  planQueue(asked(...argv), new AbortController().signal);

t.test('--out-dir makes a queue of any number of inputs', async (t) => {
  t.match(asked('a', 'b', 'c', '--out-dir', 'd'), { inputs: ['a', 'b', 'c'], list: undefined, outDir: 'd' });
  t.match(asked('--list', 'l', '--out-dir', 'd', '--codec', 'hevc'), {
    inputs: [],
    list: 'l',
    codec: 'hevc',
  });
  t.same(asked('--out-dir', 'd', '--', '-a.mp4').inputs, ['-a.mp4']);
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['a', 'b', 'c'], /--out-dir/],
    [['a', 'b', '--list', 'l'], /--list goes with --out-dir/],
    [['--out-dir', 'd'], /at least one INPUT/],
    [['a', '', '--out-dir', 'd'], /at least one INPUT/],
    [['a', '--out-dir', ''], /take a name/],
  ];
  for (const [argv, message] of cases)
    t.throws(() => parseArguments(argv, '1'), { code: 'usage', message }, argv.join(' '));
});

t.test('an output keeps its name, and its container where that can be written', async (t) => {
  const h264 = { codec: 'h264', format: undefined } as const;
  t.equal(resultName('a.mp4', h264), 'a.mp4');
  t.equal(resultName('a b.MOV', h264), 'a b.MOV');
  t.equal(resultName('a.tar.avi', h264), 'a.tar.mkv');
  t.equal(resultName('a', h264), 'a.mkv');
  t.equal(resultName('.a', h264), '.a.mkv');
  t.equal(resultName('a.webm', h264), 'a.mkv');
  t.equal(resultName('a.webm', { codec: 'vp9', format: undefined }), 'a.webm');
  t.equal(resultName('a.mp4', { codec: 'prores', format: 'mov' }), 'a.mov');
  t.throws(() => resultName('a.mp4', { codec: 'h264', format: 'xyz' }), { code: 'usage' });
});

t.test('a result whose name would be too long gets one that fits', async (t) => {
  const h264 = { codec: 'h264', format: undefined } as const;
  t.match(resultName(`${'y'.repeat(252)}.ts`, h264), /^y+~[0-9a-f]{16}\.mkv$/);
  t.equal(Buffer.byteLength(resultName(`${'y'.repeat(252)}.ts`, h264)), 255);
  t.equal(resultName(`${'y'.repeat(251)}.mp4`, h264), `${'y'.repeat(251)}.mp4`);
  const [job] = await plan(`${'y'.repeat(251)}.mp4`, '--out-dir', t.testdir(), '--work-dir', '/w');
  t.match(job?.workDir, /^\/w\/y+~[0-9a-f]{16}\.framescatter$/);
});

t.test('a name that is not UTF-8 is left out of a folder, and told of', async (t) => {
  const folder = t.testdir({ 'a.mp4': '' });
  const bytes = (name: string): Buffer =>
    Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name, 'latin1')]);
  await fs.writeFile(bytes('caf\xe9.mp4'), '');
  await fs.writeFile(bytes('caf\xe9.txt'), '');
  await fs.mkdir(bytes('d\xe9'));
  const told: string[] = [];
  const jobs = await planQueue(
    asked(folder, '--out-dir', join(folder, 'out')),
    new AbortController().signal,
    (path) => told.push(path),
  );
  t.same(
    jobs.map(({ input }) => input),
    [join(folder, 'a.mp4')],
  );
  t.same(told, [join(folder, 'caf\ufffd.mp4')], 'only of what would have been taken');
  const all: string[] = [];
  t.same(await videosInFolder(folder, 'all', (path) => all.push(path)), ['a.mp4']);
  t.same(all.sort(), [join(folder, 'caf\ufffd.mp4'), join(folder, 'd\ufffd')]);
});

t.test('folders, lists and names, whatever they are called', async (t) => {
  const folder = t.testdir({
    in: {
      'b.mp4': '',
      'a\nb.avi': '',
      '-x.mov': '',
      'notes.txt': '',
      '.hidden.mp4': '',
      deep: { 'c.mp4': '' },
      'b.mp4.framescatter': { 'scratch.mp4': '' },
    },
    lines: 'one/ü.mp4\n\n -two.mkv\n',
    nul: 'new\nline.mp4\0$(x) three.mp4\0',
  });
  const at = (name: string): string => join(folder, name);
  const out = at('made/out');
  t.same(
    (await plan(at('in'), '--out-dir', out)).map(({ input, output }) => [input, output]),
    [
      [at('in/-x.mov'), join(out, '-x.mov')],
      [at('in/a\nb.avi'), join(out, 'a\nb.mkv')],
      [at('in/b.mp4'), join(out, 'b.mp4')],
    ],
    'only the videos of the folder itself',
  );
  t.ok((await fs.stat(out)).isDirectory(), 'the folder of the outputs is made');
  t.same(
    (await plan('--list', at('lines'), '--out-dir', out, 'first.mp4')).map(({ input }) => input),
    ['first.mp4', 'one/ü.mp4', ' -two.mkv'],
  );
  t.same(
    (await plan('--list', at('nul'), '--out-dir', out)).map(({ output }) => output),
    [join(out, 'new\nline.mp4'), join(out, '$(x) three.mp4')],
  );
  const [job] = await plan('a.mp4', '--out-dir', out, '--work-dir', at('work'));
  t.equal(job?.workDir, at('work/a.mp4.framescatter'), 'each video has a journal of its own');
});

t.test('outputs in Blob storage keep their credential, which no message shows', async (t) => {
  const container = 'https://films.blob.core.windows.net/out';
  const [job] = await plan('a b.mp4', '--out-dir', `${container}/deep${SAS}`);
  t.equal(job?.output, `${container}/deep/a%20b.mp4${SAS}`);
  const input = `https://films.blob.core.windows.net/videos/a.mp4${SAS}`;
  t.same(
    (await plan(input, '--out-dir', container)).map(({ output }) => output),
    [`${container}/a.mp4`],
  );
  await t.rejects(plan(input, 'x/a.mp4', '--out-dir', container), {
    message: /^(?!.*CANARY).*two videos would have the output a\.mp4/,
  });
});

t.test('what cannot be a queue is refused before anything is made', async (t) => {
  const folder = t.testdir({ empty: {}, dots: 'https://films.blob.core.windows.net/videos/x%2F..' });
  const out = join(folder, 'out');
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['x/a.mp4', 'y/a.mp4'], /a\.mp4: x\/a\.mp4 and y\/a\.mp4/],
    [['a.avi', 'a.mkv'], /output a\.mkv/],
    [['a.mp4', 'a.mp4'], /output a\.mp4/],
    [[join(folder, 'empty')], /no video in/],
    [['--list', join(folder, 'none')], /list .*none cannot be read/],
    [['--list', join(folder, 'dots')], /no file name/],
    [['..\0.mp4'], /no file name/],
  ];
  for (const [argv, message] of cases)
    await t.rejects(plan(...argv, '--out-dir', out), { code: 'usage', message }, JSON.stringify(argv));
  t.same((await fs.readdir(folder)).sort(), ['dots', 'empty']);
});
