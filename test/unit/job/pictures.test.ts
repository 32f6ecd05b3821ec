/** Jobs of pictures: what is found, how it is grouped, and what is refused, before anything is made. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { parseArguments } from '../../../src/cli/arguments.js';
import type { PicturesOptions } from '../../../src/job/context/options.js';
import { isPictureRecords, type PictureRecord } from '../../../src/job/journal/picture-record.js';
import { findPictures, matcherOf } from '../../../src/job/pictures/find.js';
import { groupSize, readGroups } from '../../../src/job/pictures/groups.js';
import { inputReader, MOST_FILE_BYTES } from '../../../src/job/pictures/read-input.js';
import { recordsOf } from '../../../src/job/pictures/remaining.js';
import { refuseVideoOptions } from '../../../src/job/pictures/video-options.js';

const { signal } = new AbortController();

function pictures(...argv: string[]): PicturesOptions {
  const command = parseArguments(argv, '1');
  if (command.kind !== 'pictures') throw new Error(`parsed as ${command.kind}`);
  return command.options;
}

t.test('names say a job of pictures where they can', async (t) => {
  t.match(pictures('a.jpg', 'b.PNG'), { inputs: ['a.jpg'], target: { kind: 'picture', name: 'b.PNG' } });
  t.match(pictures('a.jpg', 'b.jpg', 't.parquet', '--max-failures', '3'), {
    inputs: ['a.jpg', 'b.jpg'],
    target: { kind: 'table', name: 't.parquet' },
    maxFailures: 3,
  });
  t.match(pictures('--list', 'l', 't.csv'), { inputs: [], list: 'l', target: { kind: 'table' } });
  t.equal(parseArguments(['photos/', 'labels.parquet'], '1').kind, 'job', 'only the folder can say');
  t.equal(parseArguments(['photos/', '--out-dir', 'd'], '1').kind, 'queue', 'likewise');
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [['a.mp4', 'b.mp4', '--max-failures', '1'], /--max-failures goes with pictures/],
    [['./a.mp4', 't.csv', '--max-failures', '1'], /--max-failures goes with pictures/],
    [['a', 't.csv', '--max-failures', '-1'], /--max-failures/],
    [['a', 't.csv', '--max-failures', '1.5'], /--max-failures/],
    [['--list', 'l', 'out.mp4'], /--list goes with --out-dir, or with a table of pictures/],
  ];
  for (const [argv, message] of wrong)
    t.throws(() => parseArguments(argv, '1'), { code: 'usage', message }, argv.join(' '));
});

t.test('options of videos are refused for pictures, by their names', async (t) => {
  const given: readonly (readonly string[])[] = [
    ['--crf', '20'],
    ['--codec', 'hevc'],
    ['--preset', 'slow'],
    ['--segment-seconds', '2'],
    ['--split', 'auto'],
    ['--schedule', 'dynamic'],
    ['--hwaccel', 'auto'],
    ['--tolerant'],
    ['--video', '1'],
    ['--table', 't.csv'],
    ['--every', '2'],
    ['--steady', '0.5'],
  ];
  refuseVideoOptions(pictures('a.jpg', 'b.jpg'));
  for (const words of given) {
    const options = pictures('a.jpg', 'b.jpg', ...words);
    const message = new RegExp(`^${words[0]} does not apply to pictures$`);
    t.throws(() => refuseVideoOptions(options), { code: 'usage', message }, words.join(' '));
  }
});

t.test('folders, patterns, files and lists are found in order, each picture once', async (t) => {
  const folder = t.testdir({
    photos: {
      'b.jpg': '',
      'a.PNG': '',
      'c.tiff': '',
      'notes.txt': '',
      '.hidden.jpg': '',
      'line\nfeed.webp': '',
    },
    mixed: { 'a.jpg': '', 'b.jpg': '', 'film.mp4': '' },
    none: { 'notes.txt': '' },
  });
  const at = (...names: string[]): string => join(folder, ...names);
  mkdirSync(at('photos', 'folder.jpg'));
  symlinkSync(at('photos', 'loop.jpg'), at('photos', 'loop.jpg'));
  symlinkSync(at('photos', 'b.jpg'), at('photos', 'link.jpg'));
  writeFileSync(Buffer.concat([Buffer.from(at('photos')), Buffer.from('/\xff.jpg', 'latin1')]), '');
  writeFileSync(at('list'), `${at('photos', 'b.jpg')}\n${at('gone.jpg')}\n`);

  const all = await findPictures([at('photos')], undefined, signal);
  const names = ['a.PNG', 'b.jpg', 'c.tiff', 'line\nfeed.webp', '\ufffd.jpg'];
  t.strictSame(
    all.pictures.map(({ name }) => name),
    names,
  );
  t.strictSame(
    all.pictures.map(({ refused }) => refused?.includes('UTF-8') ?? false),
    [false, false, false, false, true],
  );
  t.match(all.notes, [/2 links are left out/]);
  t.strictSame([all.video, all.empty], [undefined, undefined]);

  const some = await findPictures([at('photos', '?.*'), at('photos', 'b.jpg')], at('list'), signal);
  t.strictSame(
    some.pictures.map(({ name }) => name),
    ['a.PNG', 'b.jpg', 'c.tiff', '\ufffd.jpg', 'gone.jpg'],
  );

  t.match(await findPictures([at('mixed')], undefined, signal), {
    video: at('mixed'),
    besideVideos: 2,
    pictures: [],
  });
  t.match(await findPictures([at('none')], undefined, signal), { video: undefined, empty: at('none') });
  t.match(await findPictures([at('film.mp4')], undefined, signal), { video: at('film.mp4') });
});

t.test('a pattern stands for names, and everything else in it for itself', async (t) => {
  const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['*.jpg', ['a.jpg', '.jpg', 'a\nb.jpg', '東京.jpg'], ['a.jpeg', 'a.jpg.png', 'ajpg']],
    ['p?.png', ['p1.png', 'p🦆.png'], ['p.png', 'p12.png']],
    ['IMG-2024-*.jpg', ['IMG-2024-1.jpg'], ['IMG_2024-1.jpg']],
    ['[a](b)+{1}^$|\\*', ['[a](b)+{1}^$|\\', '[a](b)+{1}^$|\\x'], ['a']],
  ];
  for (const [pattern, yes, no] of cases) {
    const matches = matcherOf(pattern);
    for (const name of yes) t.ok(matches(name), `${pattern} takes ${JSON.stringify(name)}`);
    for (const name of no) t.notOk(matches(name), `${pattern} does not take ${name}`);
  }
});

t.test('groups hold few pictures and few bytes, whatever the ranks are', async (t) => {
  t.strictSame(
    [1, 20, 128, 129, 1000, 1e6].map((count) => groupSize(count, 1)),
    [1, 1, 1, 2, 8, 8],
  );
  t.equal(groupSize(3, 4), 4, 'a batch at least');
  const folder = t.testdir({});
  const sizes = [10, 0, 2 ** 22, 2 ** 22, 1, 5, 7];
  const toMake = await Promise.all(
    sizes.map(async (size, at) => {
      const path = join(folder, `${at}.jpg`);
      await fs.writeFile(path, Buffer.alloc(size, at));
      const input = {
        location: { kind: 'file', path },
        display: path,
        key: path,
        name: `${at}.jpg`,
      } as const;
      return { input, replace: false };
    }),
  );
  await fs.rm(join(folder, '5.jpg'));
  const found = [];
  for await (const group of readGroups(toMake, { first: 7, size: 8 }, inputReader(signal), () => 'jpeg'))
    found.push(group);
  t.strictSame(
    found.map(({ piece }) => [piece.index, piece.members.length]),
    [
      [7, 4],
      [8, 3],
    ],
  );
  const [first, second] = found;
  t.equal(first?.data.length, 2 ** 23 + 10);
  t.strictSame(
    second?.piece.sent.map(({ place, stamp }) => [place, stamp.bytes]),
    [
      [0, 1],
      [2, 7],
    ],
  );
  t.match(second?.piece.refused.get(1), /it cannot be read: ENOENT/);
  t.strictSame([...(second?.data ?? [])], [4, 6, 6, 6, 6, 6, 6, 6]);
});

t.test('a file that cannot be a picture is refused by itself', async (t) => {
  const folder = t.testdir({ sub: {} });
  const read = (path: string) =>
    inputReader(signal).read({ location: { kind: 'file', path }, display: path, key: path, name: 'x' });
  const large = join(folder, 'large.jpg');
  await fs.writeFile(large, '');
  await fs.truncate(large, MOST_FILE_BYTES + 1);
  t.match(await read(large), { refused: /it has 257 MiB, and 256 MiB are the most/ });
  t.match(await read(join(folder, 'sub')), { refused: /not a file|EISDIR/ });
  t.match(await read('/dev/null'), { refused: /it is not a file/ });
  symlinkSync('loop.jpg', join(folder, 'loop.jpg'));
  t.match(await read(join(folder, 'loop.jpg')), { refused: /ELOOP/ });
});

t.test('of several records of a picture the last counts, and rows are found in their segment', async (t) => {
  const stamp = { bytes: 1, changed: '5' };
  const record = (source: string, bytes: number, error: string | null = null): PictureRecord => ({
    ...{ source, stamp, sha256: 'x', error, output: null, finite: true },
    rows: error === null ? { bytes, shapes: [[4]] } : null,
  });
  const segment = (index: number, list: readonly PictureRecord[]) => ({
    ...{ index, frames: list.length, bytes: 0, pts: list.map((_, at) => at) },
    pictures: list,
  });
  const records = recordsOf([
    segment(1, [record('b', 9)]),
    segment(0, [record('a', 5), record('b', 0, 'damaged'), record('c', 7)]),
  ]);
  t.match(records.get('a'), { segment: 0, rowsAt: 0 });
  t.match(records.get('c'), { segment: 0, rowsAt: 5 });
  t.match(records.get('b'), { segment: 1, rowsAt: 0, record: { error: null } });

  t.ok(isPictureRecords(JSON.parse(JSON.stringify([record('a', 1), record('b', 1, 'no')]))));
  const odd = { ...record('a', 1) };
  for (const wrong of [
    { ...odd, source: 1 },
    { ...odd, stamp: {} },
    { ...odd, rows: { bytes: 1, shapes: [['x']] } },
    7,
  ])
    t.notOk(isPictureRecords([wrong]));
});
