/**
 * Whole jobs whose models give tables or take constants: one value whatever the ranks, the split, the
 * schedule and kills; what the tables hold; and what is refused.
 */
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import t, { type Test } from 'tap';
import { startAzurite, withoutAzurite } from '../fixtures/azurite.js';
import { makeClip } from '../fixtures/clips.js';
import { type Coding, frameOf, largestDifference } from '../fixtures/float64-reference.js';
import { ourLines, probed, runJob } from '../fixtures/job.js';
import { torchvision } from '../fixtures/open-networks.js';
import {
  countedRun,
  digestOf,
  LABELS,
  type Manner,
  NETWORKS,
  play,
  portJob,
  runUntil,
  SHAPES,
  STYLE,
  stylePixels,
  valueOfJob,
} from '../fixtures/port-jobs.js';
import {
  adainOf,
  classifier,
  nanTable,
  networkFolder,
  numberTable,
  secondTable,
  type TableNetwork,
  WHOLE,
} from '../fixtures/table-networks.js';
import { decoded, type PlainRow, pixelsOf, plainRowsOf } from '../fixtures/table-reference.js';

t.setTimeout(1_800_000);

const BT601: Coding = { matrix: 'bt601', range: 'limited' };

type Cells = Readonly<Record<string, unknown>>;

/** The fields of a line of CSV, of which texts are in quotes. */
function fieldsOf(line: string): unknown[] {
  return [...line.matchAll(/"((?:[^"]|"")*)"|([^,]+)/g)].map(([, text, number]) =>
    number === undefined ? (text ?? '').replaceAll('""', '"') : Number(number),
  );
}

/** The rows of a table, by other code than the product's, as far as there is other. */
async function rowsOf(path: string): Promise<readonly Cells[]> {
  const bytes = await fs.readFile(path);
  if (path.endsWith('.parquet')) {
    const file = Uint8Array.from(bytes).buffer;
    return (await parquetReadObjects({ file })) as readonly Cells[];
  }
  const lines = bytes.toString().trimEnd().split('\n');
  if (path.endsWith('.jsonl')) return lines.map((line) => JSON.parse(line) as Cells);
  const [head = '', ...others] = lines;
  const names = head.split(',');
  return others.map((line) => Object.fromEntries(fieldsOf(line).map((cell, at) => [names[at] ?? '', cell])));
}

/** See table-models.test.ts: float32 against float64, and pixels of boxes larger by the scale of the fit. */
const [SCORE, PIXEL] = [2e-5, 2e-3];
const PIXELS: readonly string[] = ['x', 'y', 'width', 'height'];

/** Compares every row with what the frames of the video should give. */
function sameTable(
  t: Test,
  rows: readonly Cells[],
  network: TableNetwork,
  { frames, seconds, ...size }: ReturnType<typeof decoded>,
  { every = 1, frame: first = 0 } = {},
): void {
  const expected = frames.flatMap((frame, at): readonly (readonly [number, number, PlainRow])[] =>
    at % every === 0
      ? plainRowsOf(network, frame, size, BT601).map((row) => [at + first, seconds[at] ?? 0, row])
      : [],
  );
  t.equal(rows.length, expected.length, 'rows');
  let worst = 0;
  for (const [at, [frame, time, row]] of expected.entries()) {
    const { frame: is, pts: _, seconds: second, ...cells } = rows[at] ?? {};
    if (Number(is) !== frame) t.fail(`row ${at} is of frame ${is}, not ${frame}`);
    worst = Math.max(worst, Math.abs(Number(second) - time) / 1e-3);
    for (const [column, name] of Object.keys(cells).entries()) {
      const cell = row[column];
      if (typeof cell === 'string' && cell !== cells[name]) t.fail(`row ${at}: ${cell}, not ${cells[name]}`);
      if (typeof cell !== 'number') continue;
      worst = Math.max(worst, Math.abs(Number(cells[name]) - cell) / (PIXELS.includes(name) ? PIXEL : SCORE));
    }
    if (Object.keys(cells).length !== row.length) t.fail(`row ${at} has ${Object.keys(cells).join()}`);
  }
  t.ok(worst <= 1, `every cell (${worst} of the tolerance)`);
}

const UNDISTURBED: Manner = { ranks: 1, split: 'frames', schedule: 'even', killed: false };
/** A quarter of all manners, in which every value meets every other; scripts/ports-matrix.sh runs all. */
const MANNERS: readonly Manner[] = [
  { ranks: 1, split: 'segments', schedule: 'even', killed: true },
  { ranks: 2, split: 'frames', schedule: 'dynamic', killed: false },
  { ranks: 2, split: 'segments', schedule: 'dynamic', killed: true },
  { ranks: 3, split: 'frames', schedule: 'dynamic', killed: true },
  { ranks: 3, split: 'segments', schedule: 'even', killed: false },
];

/** Shapes whose frames and rows travel as those of the others do. */
const FEW_MANNERS: readonly string[] = ['constant', 'classes', 'open', 'several'];

const CHECKS: Readonly<Record<(typeof SHAPES)[number], (t: Test, folder: string) => Promise<void>>> = {
  async constant(t, folder) {
    const [source, made] = [decoded(await makeClip('open-gop')), decoded(join(folder, 'out.mkv'))];
    const bytes = stylePixels();
    const area = STYLE.width * STYLE.height;
    const data = Float64Array.from(
      { length: 3 * area },
      (_, at) => (bytes[3 * (at % area) + Math.floor(at / area)] ?? 0) / 255,
    );
    const { width, height } = source;
    for (const at of [0, 50, 99]) {
      const frame = source.frames[at] ?? new Uint8Array();
      const picture = adainOf(pixelsOf(frame, source, BT601), { channels: 3, ...STYLE, data });
      const rgb = picture.data.map((_, place) => {
        const value = picture.data[(place % 3) * width * height + Math.floor(place / 3)] ?? 0;
        return Math.min(1, Math.max(0, value));
      });
      const expected = frameOf({ width, height, rgb }, BT601);
      // A level: the two roundings meet at halves.
      const difference = largestDifference(made.frames[at] ?? new Uint8Array(), expected);
      t.ok(difference <= 1, `frame ${at} differs by ${difference}`);
    }
  },
  async classes(t, folder) {
    const rows = await rowsOf(join(folder, 'out.csv'));
    t.same(Object.keys(rows[0] ?? {}), ['frame', 'pts', 'seconds', 'rank', 'class', 'label', 'score']);
    t.ok(rows.some(({ label }) => LABELS.includes(String(label))));
    sameTable(t, rows, NETWORKS.classes, decoded(await makeClip('open-gop')));
  },
  async boxes(t, folder) {
    sameTable(
      t,
      await rowsOf(join(folder, 'out.parquet')),
      NETWORKS.boxes,
      decoded(await makeClip('open-gop')),
    );
    const bytes = Uint8Array.from(await fs.readFile(join(folder, 'out.parquet'))).buffer;
    const { key_value_metadata: told = [] } = await parquetMetadataAsync(bytes as never);
    t.match(Object.fromEntries(told.map(({ key, value }) => [key, value])), {
      model_sha256: /^[0-9a-f]{64}$/,
      frames: '100',
    });
  },
  async open(t, folder) {
    sameTable(t, await rowsOf(join(folder, 'out.jsonl')), NETWORKS.open, decoded(await makeClip('open-gop')));
  },
  async several(t, folder) {
    const source = decoded(await makeClip('open-gop'));
    sameTable(t, await rowsOf(join(folder, 'out.parquet')), NETWORKS.several, source);
    const [head = '', ...lines] = (await fs.readFile(join(folder, 'out.csv'), 'utf8')).trimEnd().split('\n');
    t.equal(head, 'frame,pts,seconds,flat');
    t.equal(lines.length, 100);
    const { frames, seconds: _, ...size } = source;
    const network = secondTable(NETWORKS.several);
    for (const at of [0, 57, 99]) {
      const [[expected] = []] = plainRowsOf(network, frames[at] ?? new Uint8Array(), size, BT601);
      const list = JSON.parse(/"(.*)"/.exec(lines[at] ?? '')?.[1] ?? '[]') as number[];
      const wanted = Array.isArray(expected) ? expected : [];
      t.equal(list.length, 8);
      const worst = Math.max(...list.map((value, place) => Math.abs(value - wanted[place])));
      t.ok(worst < SCORE, `frame ${at}: ${worst}`);
    }
  },
  async beside(t, folder) {
    const [source, made] = [decoded(await makeClip('open-gop')), decoded(join(folder, 'out.mkv'))];
    sameTable(t, await rowsOf(join(folder, 'out.jsonl')), NETWORKS.beside, source);
    t.equal(made.frames.length, source.frames.length);
  },
};

for (const shape of SHAPES) {
  t.test(`${shape}: one value in every manner, and the right one`, async (t) => {
    const folder = t.testdir();
    const { value, complaints } = await play(shape, UNDISTURBED, folder);
    t.same(complaints, []);
    await CHECKS[shape](t, folder);
    for (const manner of MANNERS.slice(FEW_MANNERS.includes(shape) ? -1 : 0)) {
      const what = Object.values(manner).join(' ');
      const played = await play(shape, manner, t.testdir());
      t.same(played.complaints, [], what);
      t.equal(played.value, value, what);
    }
  });
}

/** A picture beside a table on a short clip. */
const short = (folder: string) => portJob('beside', folder, () => makeClip('cfr'));

function inFolder(folder: string): Promise<string[]> {
  return fs.readdir(folder).then((names) => names.filter((name) => name.startsWith('out')).sort());
}

t.test('killed between the table and the video: the same command finishes both', async (t) => {
  const folder = t.testdir();
  const calls = await countedRun(folder, (await short(folder)).args);
  const value = await valueOfJob(await short(folder));
  const states: string[] = [];
  // The last calls remove the work; the ones before put first the table in place, and then the video.
  for (const before of [17, 15, 13, 11, 9]) {
    const place = t.testdir();
    const { args, output, table = '' } = await short(place);
    const first = await runUntil(calls - before, 0, args);
    t.equal(first.code, 137, first.stderr);
    states.push(`${existsSync(table)} ${existsSync(output)}`);
    const again = await runJob(2, args);
    t.equal(again.code, 0, again.stderr);
    t.equal(await valueOfJob({ output, table, args }), value, `${before} calls before the end`);
    t.same(await inFolder(place), ['out.jsonl', 'out.mkv'], 'nothing is left');
  }
  t.ok(states.includes('true false'), `the moment came: ${states.join('; ')}`);
  t.notOk(states.includes('false true'), 'the video comes last');
});

t.test('what is there is not replaced unless asked for', async (t) => {
  const folder = t.testdir();
  const { args, output, table = '' } = await short(folder);
  for (const path of [output, table]) {
    await fs.writeFile(path, 'mine');
    const refused = await runJob(0, args);
    t.equal(refused.code, 1);
    t.match(ourLines(refused.stderr).at(-2), `the output exists: ${path}`);
    t.match(refused.stderr, /--overwrite replaces it/);
    t.equal(await fs.readFile(path, 'utf8'), 'mine');
    t.same(await inFolder(folder), [path.slice(folder.length + 1)], 'nothing is begun');
    await fs.rm(path);
  }
  for (const path of [output, table]) await fs.writeFile(path, 'mine');
  const { code, stderr } = await runJob(0, [...args, '--overwrite']);
  t.equal(code, 0, stderr);
  t.equal((await rowsOf(table)).length, 3 * 25);
  t.equal(probed(output).streams[0]?.codec_name, 'ffv1');
});

t.test('a table that would replace another file of the job is refused', async (t) => {
  const folder = t.testdir();
  const clip = join(folder, 'in.csv');
  await fs.copyFile(await makeClip('one-frame'), clip);
  const before = digestOf(await fs.readFile(clip));
  const { args } = await portJob('beside', folder, async () => clip);
  const [input = '', , ...words] = args.filter((word) => word !== '--table' && !word.endsWith('jsonl'));
  const [report, output, link] = ['r.csv', 'o.csv', 'link.jsonl'].map((name) => join(folder, name));
  await fs.symlink(clip, link ?? '');
  const mp4 = join(folder, 'o.mkv');
  for (const [more, message] of [
    [[input, mp4, '--table', clip, '--overwrite'], /the output is the input/],
    [[input, mp4, '--table', link, '--overwrite'], /the output is the input/],
    [[input, output, '--format', 'mkv', '--table', output], /the table is the output/],
    [[input, mp4, '--table', report, '--report', report], /the table is the report/],
    [
      [input, mp4, '--table', join(`${mp4}.framescatter`, 't.csv')],
      /folder of the output does not exist|work folder/,
    ],
  ] as const) {
    const { code, stderr } = await runJob(0, [...(more as readonly string[]), ...words]);
    t.equal(code, 1, String(message));
    t.match(stderr, message);
    t.equal(digestOf(await fs.readFile(clip)), before, 'the input is untouched');
    for (const path of [mp4, output, report]) t.notOk(existsSync(path ?? ''), `${path}`);
  }
  const named = await runJob(0, [input, mp4, '--table', join(folder, 't.txt'), ...words]);
  t.match(named, { code: 2, stderr: /--table takes a name that ends in \.parquet, \.jsonl or \.csv/ });
  const nested = await runJob(0, [
    input,
    join(folder, 't.jsonl'),
    '--table',
    join(folder, 'u.csv'),
    ...words,
  ]);
  t.match(nested, { code: 2, stderr: /--table does not apply where OUTPUT is a table/ });
  t.match(await runJob(0, [input, mp4, '--every', '2', ...words]), {
    code: 2,
    stderr: /--every goes with a table as OUTPUT/,
  });
  t.match(await runJob(0, [input, mp4, '--fps', '2', ...words]), {
    code: 2,
    stderr: /--fps goes with a table as OUTPUT/,
  });
});

t.test('--every 3 gives the rows of every third frame, killed or not', async (t) => {
  const whole = await portJob('classes', t.testdir());
  t.match(await runJob(1, whole.args), { code: 0 });
  const third = (await rowsOf(whole.output)).filter(({ frame }) => Number(frame) % 3 === 0);
  t.equal(third.length, 34 * 3);
  for (const [ranks, split, killed] of [
    [2, 'frames', false],
    [1, 'frames', true],
    [3, 'segments', true],
  ] as const) {
    const { args, output } = await portJob('classes', t.testdir());
    // Segments of four frames that are taken, and twelve of the video.
    const words = [...args, '--every', '3', '--split', split];
    if (killed) t.not((await runUntil(40, ranks, words)).code, 0, 'it is killed');
    const { code, stderr } = await runJob(ranks, words);
    t.equal(code, 0, stderr);
    if (killed) t.match(stderr, /resuming after \d+ frames/);
    if (split === 'segments') t.match(stderr, /split into frames: --every takes frames from all over/);
    t.same(await rowsOf(output), third, `${ranks} ranks, ${split}`);
  }
});

t.test('--fps takes frames by their times, killed or not, at a varying rate', async (t) => {
  const clip = await makeClip('vfr-phone');
  const whole = await portJob('classes', t.testdir(), async () => clip);
  t.match(await runJob(1, whole.args), { code: 0 });
  const rows = await rowsOf(whole.output);
  const times = new Map(rows.map(({ frame, pts }) => [Number(frame), BigInt(Number(pts))]));
  t.equal(times.size, 60);
  const [num = 0, den = 1] = String(probed(clip).streams[0]?.time_base).split('/').map(Number);
  for (const [fps, num2, den2] of [
    ['12', 12, 1],
    ['0.5', 1, 2],
    ['30000/1001', 30000, 1001],
    ['1000', 1000, 1],
  ] as const) {
    // The first frame at or after each multiple of 1 / fps seconds from the first frame.
    const numbers = new Set<number>();
    const first = times.get(0) ?? 0n;
    const seen = new Set<bigint>();
    for (const [frame, pts] of times) {
      const multiple = ((pts - first) * BigInt(num) * BigInt(num2)) / (BigInt(den) * BigInt(den2));
      if (!seen.has(multiple)) numbers.add(frame);
      seen.add(multiple);
    }
    const expected = rows.filter(({ frame }) => numbers.has(Number(frame)));
    t.ok(fps === '1000' ? numbers.size === 60 : numbers.size < 60, `${fps}: ${[...numbers].join()}`);
    const { args: long, output } = await portJob('classes', t.testdir(), async () => clip);
    const args = long.map((word) => (word === '2.4' ? '0.3' : word));
    const words = [...args, '--fps', fps];
    if (fps !== '0.5') {
      t.not((await runUntil(40, 1, words)).code, 0, 'it is killed');
      t.match(await runJob(1, [...args, '--fps', '7']), {
        code: 1,
        stderr: /frames taken was \d+\/\d+ per second, now 7\/1 per second/,
      });
    }
    const { code, stderr } = await runJob(2, [...words, '--split', 'segments']);
    t.equal(code, 0, stderr);
    if (fps !== '0.5') t.match(stderr, /resuming after \d+ frames/);
    t.match(stderr, /split into frames: --fps takes frames from all over the video/);
    t.same(await rowsOf(output), expected, `--fps ${fps}`);
  }
});

t.test('damaged rows of a stopped job are made again', async (t) => {
  for (const split of ['frames', 'segments']) {
    const undisturbed = await portJob('boxes', t.testdir());
    t.match(await runJob(1, undisturbed.args), { code: 0 });
    const value = await valueOfJob(undisturbed);
    const { args, output, ...job } = await portJob('boxes', t.testdir());
    const words = [...args, '--split', split];
    t.not((await runUntil(60, 1, words)).code, 0);
    const rows = join(`${output}.framescatter`, 'segment-000000.rows');
    const bytes = await fs.readFile(rows);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    await fs.writeFile(rows, bytes);
    const { code, stderr } = await runJob(2, words);
    t.equal(code, 0, stderr);
    t.match(stderr, /warning: segment 0 of an earlier run is damaged and will be made again/);
    t.equal(await valueOfJob({ ...job, args, output }), value, split);
    t.notOk(existsSync(`${output}.framescatter`));
  }
});

t.test(
  'a turned video: a table alone is of upright frames, one beside it of those in the file',
  async (t) => {
    const clip = await makeClip('rotated');
    const { output, args } = await portJob('boxes', t.testdir(), async () => clip);
    const alone = await runJob(1, args);
    t.equal(alone.code, 0, alone.stderr);
    t.match(alone.stderr, /marked to be shown rotated or mirrored: the table is of rotated frames/);
    const upright = decoded(clip, { upright: true });
    t.same([upright.width, upright.height], [120, 160]);
    sameTable(t, await rowsOf(output), NETWORKS.boxes, upright);

    for (const [container, isTurned] of [
      ['mp4', false],
      ['mkv', true],
    ] as const) {
      const beside = await portJob('beside', t.testdir(), async () => clip);
      const video = beside.output.replace(/mkv$/, container);
      // Without the codec, which no MP4 holds.
      const args = container === 'mp4' ? beside.args.slice(0, -2) : beside.args;
      const words = args.map((word) => (word === beside.output ? video : word));
      const { code, stderr } = await runJob(1, words);
      t.equal(code, 0, stderr);
      const rows = await rowsOf(beside.table ?? '');
      sameTable(t, rows, NETWORKS.beside, decoded(clip, { upright: isTurned }));
      const { width, height } = decoded(video);
      t.same([width, height], isTurned ? [120, 160] : [160, 120], container);
    }
  },
);

t.test('frames in which a table has NaN are told, and --strict refuses them', async (t) => {
  for (const split of ['frames', 'segments']) {
    const folder = t.testdir(networkFolder(nanTable()));
    const [output, report] = [join(folder, 'out.jsonl'), join(folder, 'r.json')];
    const clip = await makeClip('open-gop');
    const words = [
      clip,
      output,
      '--model',
      join(folder, 'model.onnx'),
      '--provider',
      'cpu',
      '--split',
      split,
    ];
    const strict = await runJob(2, [...words, '--strict']);
    t.equal(strict.code, 1);
    t.match(strict.stderr, /error: the model gave NaN or infinity in frame \d+ \(from 0\)/);
    const { code, stderr } = await runJob(2, [...words, '--report', report]);
    t.equal(code, 0, stderr);
    const rows = await rowsOf(output);
    const odd = rows.flatMap(({ frame, root }) => (root === null ? [Number(frame)] : []));
    t.ok(odd.length > 0 && odd.length < 100, `${odd.length} frames`);
    t.match(
      stderr,
      new RegExp(`gave NaN or infinity in ${odd.length} of 100 frames: .* \\(from 0\\)\\. Such`),
    );
    t.notMatch(stderr, /stored as 0/, 'there is no picture');
    const { nonFiniteFrames } = JSON.parse(await fs.readFile(report, 'utf8'));
    t.equal(nonFiniteFrames.count, odd.length);

    const fewer = await runJob(1, [...words, '--overwrite', '--every', '3', '--report', report]);
    t.equal(fewer.code, 0, fewer.stderr);
    const [first, ...others] = odd.filter((frame) => frame % 3 === 0);
    t.match(fewer.stderr, new RegExp(`NaN or infinity in frame ${first} \\(from 0\\); the job`));
    t.match(JSON.parse(await fs.readFile(report, 'utf8')).nonFiniteFrames, {
      count: others.length + 1,
      ranges: [[first, first]],
    });
  }
});

t.test('boxes of one frame at a time: the log says so, and what goes beyond "rows"', async (t) => {
  const network = torchvision({ rows: 3, decode: { max: 100 } });
  const folder = t.testdir(networkFolder(network));
  const [clip, output] = [await makeClip('cfr'), join(folder, 'out.jsonl')];
  const words = ['--model', join(folder, 'model.onnx'), '--provider', 'cpu', '--split', 'segments'];
  const { code, stderr } = await runJob(2, [clip, output, ...words]);
  t.equal(code, 0, stderr);
  sameTable(t, await rowsOf(output), network, decoded(clip));
  t.match(stderr, /the outputs of ".*model\.onnx" have no batch dimension: it runs frame by frame/);
  t.match(
    stderr,
    /frames gave more rows than the table takes \("max": 100 and "rows": 3 in the manifest\): \d+ were left out\n/,
  );
});

t.test('whole numbers reach the file with every digit, in each format', async (t) => {
  const folder = t.testdir(networkFolder(numberTable('int64')));
  const clip = await makeClip('one-frame');
  const expected = WHOLE.int64.map(String);
  for (const extension of ['parquet', 'jsonl', 'csv']) {
    const output = join(folder, `out.${extension}`);
    const words = ['--model', join(folder, 'model.onnx'), '--provider', 'cpu'];
    const { code, stderr } = await runJob(0, [clip, output, ...words]);
    t.equal(code, 0, stderr);
    if (extension === 'parquet') {
      const [row] = await rowsOf(output);
      t.same(Array.from(row?.numbers as Iterable<bigint>, String), expected);
    } else {
      const text = await fs.readFile(output, 'utf8');
      t.ok(text.includes(`[${expected.join(',')}]`), text);
    }
  }
});

t.test('a report tells of the table', async (t) => {
  const folder = t.testdir();
  const { args, table } = await short(folder);
  const report = join(folder, 'report.json');
  const { code, stderr } = await runJob(2, [...args, '--report', report]);
  t.equal(code, 0, stderr);
  t.match(stderr, /wrote .*out\.mkv and .*out\.jsonl/);
  t.match(JSON.parse(await fs.readFile(report, 'utf8')), {
    frames: 25,
    output: { table, tableRows: 75, container: 'mkv' },
    tables: [{ name: 'logits', path: table, rows: 75 }],
  });
});

t.test('several tables: each in its file, chosen by name, beside a video too', async (t) => {
  const folder = t.testdir(networkFolder(classifier({ several: true, beside: true })));
  const clip = await makeClip('cfr');
  const at = (name: string): string => join(folder, name);
  const words = ['--model', at('model.onnx'), '--provider', 'cpu'];
  const [one, two, report] = [at('out.jsonl'), at('two.jsonl'), at('r.json')];
  const both = [clip, one, ...words, '--output', `flat=${two}`, '--report', report];
  const { code, stderr } = await runJob(2, both);
  t.equal(code, 0, stderr);
  t.match(stderr, /wrote .*out\.jsonl and .*two\.jsonl, 75 and 25 rows/);
  t.match(JSON.parse(await fs.readFile(report, 'utf8')).tables, [
    { name: 'logits', path: one, rows: 75 },
    { name: 'flat', path: two, rows: 25 },
  ]);
  const [first, second] = await Promise.all([one, two].map((path) => fs.readFile(path, 'utf8')));

  // Beside a video, --table is the first; the second alone may be written, too.
  const [video, alone] = [at('out.mkv'), at('alone.jsonl')];
  const beside = [clip, video, ...words, '--codec', 'ffv1', '--output', `flat=${alone}`];
  const without = await runJob(1, beside);
  t.equal(without.code, 0, without.stderr);
  t.match(
    without.stderr,
    /also gives the table "logits", which is not written: with one INPUT, --table FILE writes it/,
  );
  t.equal(await fs.readFile(alone, 'utf8'), second);
  t.equal((await runJob(1, [...beside, '--table', at('t.jsonl'), '--overwrite'])).code, 0);
  t.equal(await fs.readFile(at('t.jsonl'), 'utf8'), first);
  t.equal(await fs.readFile(alone, 'utf8'), second);

  const some = await runJob(1, [clip, at('some.csv'), ...words]);
  t.match(
    some.stderr,
    /also gives the table "flat", which is not written: with one INPUT, --output flat=FILE writes it/,
  );
  const [x, y] = [at('x.csv'), at('y.csv')];
  for (const [more, status, message] of [
    [[one, '--output', `flat=${x}`], 1, /the output exists: .*out\.jsonl/],
    [[x, '--output', `flat=${two}`], 1, /the output exists: .*two\.jsonl/],
    [[x, '--output', `flat=${x}`], 1, /the file of "flat" is the output/],
    [[x, '--output', `flat=${y}`, '--report', y], 1, /the file of "flat" is the report/],
    [[x, '--output', `flt=${y}`], 1, /has no table "flt": did you mean flat\?; it has logits, flat/],
    [[x, '--output', `logits=${y}`], 2, /OUTPUT is the table "logits", so --output logits does not/],
  ] as const) {
    const refused = await runJob(0, [clip, ...(more as readonly string[]), ...words]);
    t.equal(refused.code, status, String(message));
    t.match(refused.stderr, message);
    for (const path of [x, y]) t.notOk(existsSync(path));
  }
});

t.test('a table, and one beside a video, go to Blob storage', { skip: withoutAzurite }, async (t) => {
  const azurite = await startAzurite();
  t.teardown(() => azurite.stop());
  const container = await azurite.container('films');
  const at = (name: string): string => `${azurite.endpoint}/films/${name}`;
  const env = { AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString };
  const local = await short(t.testdir());
  t.match(await runJob(0, local.args), { code: 0 });

  const folder = t.testdir();
  const { args, ...job } = await short(folder);
  const words = args.map((word) =>
    word === job.output ? at('out.mkv') : word === job.table ? at('out.jsonl') : word,
  );
  const { code, stderr } = await runJob(2, words, { env });
  t.equal(code, 0, stderr);
  for (const name of ['out.mkv', 'out.jsonl'])
    await container.getBlobClient(name).downloadToFile(join(folder, name));
  t.equal(await valueOfJob({ ...job, args }), await valueOfJob(local));
  const { contentType, metadata } = await container.getBlobClient('out.jsonl').getProperties();
  t.equal(contentType, 'application/jsonl');
  t.match(metadata, { model_sha256: /^[0-9a-f]{64}$/ });
  const names: string[] = [];
  for await (const { name } of container.listBlobsFlat()) names.push(name);
  t.same(names, ['out.jsonl', 'out.mkv'], 'nothing else is left');
  t.match(await runJob(0, words, { env }), { code: 1, stderr: /the output exists/ });
  const one = words.map((word) => (word.startsWith(azurite.endpoint) ? at('one.csv') : word));
  const same = await runJob(0, [...one, '--format', 'mkv'], { env });
  t.match(same, { code: 1, stderr: /the table is the output: / });

  const several = t.testdir(networkFolder(classifier({ several: true })));
  const two = ['--model', join(several, 'model.onnx'), '--provider', 'cpu', '--output'];
  const [source, first, second] = [await makeClip('cfr'), at('first.csv'), at('second.csv')];
  t.match(await runJob(0, [source, first, ...two, `flat=${first}`], { env }), {
    code: 1,
    stderr: /the table is the output: /,
  });
  t.match(await runJob(0, [source, first, ...two, `flat=${second}`], { env }), { code: 0 });
  const [own, here2] = ['first', 'second'].map((name) => join(several, `${name}.csv`));
  t.match(await runJob(0, [source, own ?? '', ...two, `flat=${here2}`]), { code: 0 });
  for (const name of ['first', 'second']) {
    const bytes = await container.getBlobClient(`${name}.csv`).downloadToBuffer();
    t.equal(bytes.toString(), await fs.readFile(join(several, `${name}.csv`), 'utf8'), name);
  }

  const odd = t.testdir(networkFolder(nanTable()));
  const common = ['--model', join(odd, 'model.onnx'), '--provider', 'cpu', '--segment-seconds', '1'];
  const clip = await makeClip('open-gop');
  const [here, there] = [join(odd, 'out.csv'), at('out.csv')];
  t.match(await runJob(0, [clip, here, ...common]), { code: 0 });
  t.match(await runJob(0, [clip, there, ...common, '--strict'], { env }), { code: 1 }, 'it stops early');
  const rest = await runJob(2, [clip, there, ...common], { env });
  t.match(rest, { code: 0, stderr: /resuming after \d+ frames/ }, 'its rows lie in Blob storage');
  const bytes = await container.getBlobClient('out.csv').downloadToBuffer();
  t.equal(bytes.toString(), await fs.readFile(here, 'utf8'));
});
