import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import t from 'tap';
import { parseArguments } from '../../../src/cli/arguments.js';
import type { JobOptions, QueueOptions } from '../../../src/job/context/options.js';
import { planQueue } from '../../../src/job/queue/queue-plan.js';
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
    [['a', '--out-dir', ''], /--out-dir takes a value, and was given an empty value/],
  ];
  for (const [argv, message] of cases)
    t.throws(() => parseArguments(argv, '1'), { code: 'usage', message }, argv.join(' '));
});

t.test('what version 0.1 has made or begun keeps its name', async (t) => {
  const out = t.testdir({
    'a.mkv': '',
    'b.mkv.framescatter': { 'journal.json': '' },
    'c.mkv': '',
    'd.mkv': '',
    'e.mkv': '',
    'f.mkv.framescatter': {},
  });
  const told: string[] = [];
  const outputs = async (...argv: string[]): Promise<readonly string[]> => {
    told.length = 0;
    const former = (input: string): void => void told.push(input);
    const jobs = await planQueue(asked(...argv, '--out-dir', out), new AbortController().signal, { former });
    return jobs.map(({ output }) => basename(output));
  };
  t.same(await outputs('in/a.avi', 'b.avi', 'f.avi', 'g.avi'), ['a.mkv', 'b.mkv', 'f.avi.mkv', 'g.avi.mkv']);
  t.same(told, ['in/a.avi', 'b.avi'], 'and is told of');
  t.same(await outputs('c.avi', 'c.mkv'), ['c.avi.mkv', 'c.mkv'], "it is another video's");
  t.same(await outputs('d.avi', 'd.ts'), ['d.avi.mkv', 'd.ts.mkv'], 'it may be of either');
  t.same(await outputs('e.mp4', '--format', 'mkv'), ['e.mkv']);
  t.same(await outputs('e.mp4'), ['e.mp4']);
  const work = t.testdir({ 'g.mkv.framescatter': { 'journal.json': '' } });
  t.same(await outputs('g.avi', '--work-dir', work), ['g.mkv'], 'with its work elsewhere');
  t.same(await outputs('b.avi', '--work-dir', work), ['b.avi.mkv']);
});

t.test('a result whose name would be too long gets one that fits', async (t) => {
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
    { unlisted: (path) => told.push(path) },
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
      [at('in/a\nb.avi'), join(out, 'a\nb.avi.mkv')],
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

t.test('a table beside each output', async (t) => {
  const out = t.testdir();
  const jobs = await plan('a.mp4', 'b.avi', '--out-dir', out, '--table', '.parquet');
  t.same(
    jobs.map(({ table }) => table),
    ['a.mp4.parquet', 'b.avi.mkv.parquet'].map((name) => join(out, name)),
  );
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
    [['a.avi', 'a.avi.mkv'], /output a\.avi\.mkv/],
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
