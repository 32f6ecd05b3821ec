/**
 * Whole jobs of pictures: one value whatever the ranks and kills; what comes out of a model that changes
 * nothing; damaged pictures; tables; Blob storage; and what is refused.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, symlinkSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import t, { type Test } from 'tap';
import { startAzurite, withoutAzurite } from '../fixtures/azurite.js';
import { makeClip } from '../fixtures/clips.js';
import { ourLines, runJob, startJob } from '../fixtures/job.js';
import { type ModelFixture, modelFolder, pictureIdentity } from '../fixtures/onnx.js';
import { photo, pipeline, samplesOf, writePhotos } from '../fixtures/photos.js';
import { countedRun, digestOf, runUntil } from '../fixtures/port-jobs.js';
import { classifier, nanTable, networkFolder, type TableNetwork, yolo } from '../fixtures/table-networks.js';
import { plainRowsOfPixels } from '../fixtures/table-reference.js';
import { until } from '../fixtures/until.js';

t.setTimeout(1_800_000);

const CPU = ['--provider', 'cpu'];

/** Writes a model into a folder of the test. Returns the words that choose it. */
async function modelIn(folder: string, model: ModelFixture | TableNetwork): Promise<readonly string[]> {
  await fs.mkdir(folder, { recursive: true });
  const files = 'tensors' in model ? networkFolder(model) : modelFolder(model);
  for (const [name, content] of Object.entries(files)) await fs.writeFile(join(folder, name), content);
  return ['--model', join(folder, 'model.onnx'), ...CPU];
}

/** Names and digests of the files in a folder. */
async function contentsOf(folder: string): Promise<Readonly<Record<string, string>>> {
  const names = (await fs.readdir(folder)).sort();
  const digests = names.map(async (name) => [name, digestOf(await fs.readFile(join(folder, name)))]);
  return Object.fromEntries(await Promise.all(digests));
}

type Cells = Readonly<Record<string, unknown>>;

/** The rows of a table, by DuckDB. */
async function duckRows(path: string): Promise<readonly Cells[]> {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  const read = await connection.runAndReadAll(`select * from '${path}'`);
  const rows = read.getRowObjectsJS() as readonly Cells[];
  connection.closeSync();
  instance.closeSync();
  return rows;
}

const noDuck = await import('@duckdb/node-api').then(
  () => false,
  (error: unknown) => `DuckDB cannot be loaded here: ${String(error)}`,
);

t.test('the same pictures at any number of ranks, killed or not, and no source is touched', async (t) => {
  const folder = t.testdir({});
  const at = (...names: string[]): string => join(folder, ...names);
  const names = await writePhotos(at('photos'), 12);
  const before = await contentsOf(at('photos'));
  const model = ['--model', 'wave', '--size', 'fast', ...CPU];
  const words = (out: string) => [at('photos'), '--out-dir', at(out), ...model];

  const alone = await runJob(0, words('1'));
  t.match(alone, { code: 0, stderr: /12 pictures: 12 done/ });
  const value = await contentsOf(at('1'));
  t.strictSame(Object.keys(value), names, 'a picture for each, of the same name, and nothing else');
  for (const name of names) {
    const [source, made] = await Promise.all(
      ['photos', '1'].map((place) => sharp(at(place, name)).metadata()),
    );
    t.strictSame(
      [made?.width, made?.height, made?.format],
      [source?.width, source?.height, source?.format],
      name,
    );
  }
  for (const ranks of [2, 3, 8]) {
    const { code, stderr } = await runJob(ranks, words(String(ranks)));
    t.equal(code, 0, stderr);
    t.strictSame(await contentsOf(at(String(ranks))), value, `${ranks} ranks`);
  }

  const calls = await countedRun(folder, words('counted'));
  // Before the first group is recorded, between a record and its picture, and while the work is removed.
  for (const kill of [20, 21, Math.floor(calls / 2), calls - 2]) {
    const out = `killed-${kill}`;
    t.not((await runUntil(kill, 0, words(out))).code, 0, `killed before call ${kill} of ${calls}`);
    const ranks = (kill % 3) + 1;
    const again = await runJob(ranks, words(out));
    t.equal(again.code, 0, again.stderr);
    t.strictSame(await contentsOf(at(out)), value, `killed before call ${kill}, resumed on ${ranks} ranks`);
  }
  t.strictSame(await contentsOf(at('photos')), before, 'the sources are as they were');
});

t.test('a stopped job says so, and the same command goes on', async (t) => {
  const folder = t.testdir({});
  const at = (...names: string[]): string => join(folder, ...names);
  await writePhotos(at('photos'), 40);
  const words = [at('photos'), '--out-dir', at('out'), '--model', 'wave', ...CPU];
  const job = startJob(0, words);
  for (;;) {
    const made = await fs.readdir(at('out')).catch(() => []);
    if (made.filter((name) => name.startsWith('p')).length >= 3) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  process.kill(job.pid, 'SIGUSR2');
  const stopped = await job.result;
  t.match(stopped, {
    code: 75,
    stderr: /stopped by SIGUSR2; the work so far is in .*pictures\.framescatter/,
  });
  const again = await runJob(2, words);
  t.match(again, { code: 0, stderr: /resuming after \d+ pictures of an earlier run/ });
  t.match(again.stderr, /40 pictures: 40 done, \d+ of these by an earlier run/);
  t.equal((await fs.readdir(at('out'))).length, 40);
  const once = await runJob(0, words);
  t.match(once, { code: 0, stderr: /40 pictures are skipped: their outputs exist already/ });
});

t.test('a model that changes nothing gives the same samples, and the name says the format', async (t) => {
  const folder = t.testdir({});
  const at = (...names: string[]): string => join(folder, ...names);
  const model = await modelIn(at('model'), pictureIdentity());
  const sizes = [
    [64, 48],
    [33, 47],
    [1, 1],
  ] as const;
  await fs.mkdir(at('in'));
  for (const [width, height] of sizes) {
    const picture = photo(width, height);
    await pipeline(picture)
      .png()
      .toFile(at('in', `${width}.png`));
    await pipeline(picture)
      .tiff({ compression: 'lzw' })
      .toFile(at('in', `${width}.tif`));
  }
  t.match(await runJob(0, [at('in'), '--out-dir', at('out'), ...model]), { code: 0 });
  t.match(await runJob(0, [at('in', '33.png'), at('out', 'named.tiff'), ...model]), { code: 0 });
  const of33 = ['33.png', '33.tif', 'named.tiff'];
  for (const [width, height] of sizes) {
    for (const name of width === 33 ? of33 : [`${width}.png`, `${width}.tif`]) {
      const found = await samplesOf(at('out', name));
      t.strictSame([...found.samples], [...photo(width, height).samples], name);
    }
  }
  // Turned, with a profile and an alpha channel: as a viewer shows it, on white.
  const turned = photo(20, 10);
  await pipeline(turned).withMetadata({ orientation: 6 }).jpeg({ quality: 100 }).toFile(at('turned.jpg'));
  await runJob(0, [at('turned.jpg'), at('turned.png'), ...model]);
  const upright = await sharp(at('turned.jpg')).autoOrient().raw().toBuffer();
  t.strictSame([...(await samplesOf(at('turned.png'))).samples], [...upright]);
  const there = await runJob(0, [at('turned.jpg'), at('turned.png'), ...model]);
  t.match(there, { code: 1, stderr: /the output exists: .*turned\.png/ });
  t.match(await runJob(0, [at('turned.jpg'), at('turned.jpg'), ...model]), {
    code: 1,
    stderr: /the output is the input/,
  });
  t.notOk(existsSync(at('turned.png.framescatter')), 'no work is left');
});

t.test('a style makes of a picture what it makes of a lossless video', async (t) => {
  const folder = t.testdir({});
  const at = (name: string): string => join(folder, name);
  const style = ['--model', 'udnie', ...CPU];
  await pipeline(photo(96, 64)).png().toFile(at('photo.png'));
  const exact = 'flags=bilinear+accurate_rnd+full_chroma_int+full_chroma_inp';
  const tags = ['-colorspace', 'bt709', '-color_range', 'tv', '-chroma_sample_location', 'left'];
  const wire = `scale=out_color_matrix=bt709:out_range=tv:${exact},format=yuv420p`;
  const ffmpeg = (...words: string[]) => execFileSync('ffmpeg', ['-nostdin', '-v', 'error', ...words]);
  ffmpeg('-i', at('photo.png'), '-vf', wire, ...tags, '-c:v', 'ffv1', at('photo.mkv'));
  t.equal((await runJob(0, [at('photo.mkv'), at('video.mkv'), ...style, '--codec', 'ffv1'])).code, 0);
  const automatic = style.slice(0, 2); // with a provider for whatever this machine has
  t.equal((await runJob(0, [at('photo.png'), at('picture.png'), ...automatic])).code, 0);
  const back = `scale=in_color_matrix=bt709:in_range=tv:${exact},format=rgb24`;
  ffmpeg('-i', at('video.mkv'), '-vf', back, at('video.png'));
  const [video, picture, source] = await Promise.all(
    ['video.png', 'picture.png', 'photo.png'].map((name) => samplesOf(at(name))),
  );
  const mean = (a: Uint8Array = new Uint8Array(0), b: Uint8Array = new Uint8Array(0)): number =>
    a.reduce((sum, value, place) => sum + Math.abs(value - (b[place] ?? 0)), 0) / a.length;
  const difference = mean(video?.samples, picture?.samples);
  t.ok(difference < 2, `${difference} levels, for the rounding of the video's samples`);
  t.ok(mean(source?.samples, picture?.samples) > 10, 'the style does something');
});

/** Writes pictures of which some cannot be used. Returns these with the reasons. */
async function damagedFolder(folder: string): Promise<Readonly<Record<string, RegExp>>> {
  await fs.mkdir(folder, { recursive: true });
  const jpeg = await pipeline(photo(60, 40)).jpeg().toBuffer();
  await fs.writeFile(join(folder, 'a.jpg'), jpeg);
  await fs.writeFile(join(folder, 'cut.jpg'), jpeg.subarray(0, jpeg.length / 2));
  await fs.writeFile(join(folder, 'empty.png'), '');
  await fs.writeFile(join(folder, 'text.jpg'), 'this is no picture');
  await fs.writeFile(join(folder, 'svg.png'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
  await pipeline(photo(30, 20)).png().toFile(join(folder, 'new\nline.png'));
  await fs.writeFile(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from('\xff.jpg', 'latin1')]), jpeg);
  symlinkSync('loop.jpg', join(folder, 'loop.jpg'));
  return {
    'cut.jpg': /premature end/,
    'empty.png': /it is empty/,
    'svg.png': /none of JPEG, PNG, WebP and TIFF/,
    'text.jpg': /none of JPEG, PNG, WebP and TIFF/,
    '\ufffd.jpg': /not valid UTF-8/,
  };
}

t.test('a damaged picture is told, the others are made, and only a corrected one is made anew', async (t) => {
  const folder = t.testdir({});
  const at = (...names: string[]): string => join(folder, ...names);
  const bad = await damagedFolder(at('in'));
  const model = await modelIn(at('model'), pictureIdentity());
  const words = [at('in'), '--out-dir', at('out'), ...model];
  const report = at('report.json');
  const first = await runJob(2, [...words, '--report', report]);
  t.match(first, { code: 1, stderr: /5 of 7 pictures failed: / });
  for (const [name, reason] of Object.entries(bad)) {
    const told = ourLines(first.stderr).find((line) => line.includes(`${name} failed:`)) ?? '';
    t.match(told, reason, name);
  }
  t.match(first.stderr, /2 links are left out|1 link is left out/);
  t.match(JSON.parse(await fs.readFile(report, 'utf8')), {
    pictures: { total: 7, done: 2, failed: 5, skipped: 0 },
    failures: [{ file: at('in', 'cut.jpg'), error: /premature/ }],
  });
  t.strictSame((await fs.readdir(at('out'))).sort(), ['a.jpg', 'new\nline.png', 'pictures.framescatter']);
  const made = (await fs.stat(at('out', 'a.jpg'))).mtimeMs;

  await pipeline(photo(8, 8)).jpeg().toFile(at('in', 'text.jpg'));
  const second = await runJob(0, [...words, '--max-failures', '4']);
  t.match(second, { code: 0, stderr: /7 pictures: 3 done, 2 of these by an earlier run, 4 failed/ });
  t.strictSame((await fs.readdir(at('out'))).sort(), ['a.jpg', 'new\nline.png', 'text.jpg']);
  t.equal((await fs.stat(at('out', 'a.jpg'))).mtimeMs, made, 'what was right is left as it is');
});

t.test('a source that changed is made anew, and an output that others changed is not ours', async (t) => {
  const folder = t.testdir({});
  const at = (...names: string[]): string => join(folder, ...names);
  const model = await modelIn(at('model'), pictureIdentity());
  await fs.mkdir(at('in'));
  for (const name of ['a.png', 'b.png', 'c.png', 'd.png'])
    await pipeline(photo(20, 20, 1))
      .png()
      .toFile(at('in', name));
  await fs.writeFile(at('in', 'bad.png'), '');
  const words = [at('in'), '--out-dir', at('out'), ...model];
  t.equal((await runJob(0, words)).code, 1);
  await pipeline(photo(20, 20, 2))
    .png()
    .toFile(at('in', 'b.png'));
  await fs.utimes(at('in', 'c.png'), 1, 1);
  await fs.writeFile(at('out', 'd.png'), 'mine');
  const again = await runJob(0, [...words, '--max-failures', '1']);
  t.match(again, {
    code: 0,
    stderr: /5 pictures: 3 done, 2 of these by an earlier run, 1 skipped, 1 failed/,
  });
  t.strictSame([...(await samplesOf(at('out', 'b.png'))).samples], [...photo(20, 20, 2).samples]);
  t.equal(await fs.readFile(at('out', 'd.png'), 'utf8'), 'mine');
  const all = await runJob(0, [...words, '--max-failures', '1', '--overwrite']);
  t.match(all, { code: 0, stderr: /5 pictures: 4 done, 1 failed/ });
  t.strictSame([...(await samplesOf(at('out', 'd.png'))).samples], [...photo(20, 20, 1).samples]);
});

/**
 * Compares the boxes of a picture with the reference, in float64. Resized samples are whole numbers, so scores
 * differ a little, and with them the order.
 */
function sameBoxes(
  t: Test,
  rows: readonly Cells[],
  expected: ReturnType<typeof plainRowsOfPixels>,
  pixel: number,
): void {
  t.equal(rows.length, expected.length, 'boxes');
  const left = [...expected];
  for (const { error, label, score, x, y, width, height } of rows) {
    t.equal(error, null);
    const found = left.findIndex(([, , name, likely = 0, ...box]) => {
      const near = [x, y, width, height].every(
        (side, at) => Math.abs(Number(side) - Number(box[at])) <= pixel,
      );
      return near && name === label && Math.abs(Number(score) - Number(likely)) < 0.02;
    });
    if (found < 0) t.fail(`no box is near ${label} ${score} ${x} ${y} ${width} ${height}`);
    else left.splice(found, 1);
  }
}

t.test('a table of pictures: boxes in their own pixels, read by DuckDB', { skip: noDuck }, async (t) => {
  const folder = t.testdir({});
  const at = (...names: string[]): string => join(folder, ...names);
  await fs.mkdir(at('in'));
  const pictures = [
    ['a.png', photo(128, 128, 3)],
    ['b "q", c.png', photo(256, 128, 4)],
    ['c.png', photo(64, 96, 5)],
  ] as const;
  for (const [name, picture] of pictures) await pipeline(picture).png().toFile(at('in', name));
  for (const fit of ['stretch', 'letterbox', 'crop'] as const) {
    const network = yolo({ fit, labels: ['one', 'two', 'three'] });
    const model = await modelIn(at(fit), network);
    const digests: string[] = [];
    for (const ranks of fit === 'letterbox' ? [0, 2, 3, 8] : [0]) {
      const name = `${ranks}.parquet`;
      const { code, stderr } = await runJob(ranks, [at('in'), at(fit, name), ...model]);
      t.equal(code, 0, stderr);
      digests.push(digestOf(await fs.readFile(at(fit, name))));
    }
    t.equal(new Set(digests).size, 1, 'the same file at any number of ranks');
    const rows = await duckRows(at(fit, '0.parquet'));
    t.ok(rows.length > 3, 'something is found');
    for (const [name, { width, height, samples }] of pictures) {
      const area = width * height;
      const data = Float64Array.from(
        { length: 3 * area },
        (_, place) => (samples[3 * (place % area) + Math.floor(place / area)] ?? 0) / 255,
      );
      const own = rows.filter(({ file }) => file === at('in', name));
      const expected = plainRowsOfPixels(network, { channels: 3, width, height, data });
      sameBoxes(t, own, expected, (0.2 * Math.max(width, height)) / 64);
    }
  }
});

t.test('a table with failures: rows with errors, or none until they are corrected', async (t) => {
  const folder = t.testdir({});
  const at = (...names: string[]): string => join(folder, ...names);
  await fs.mkdir(at('in'));
  for (const name of ['a.png', 'b.jpg']) await pipeline(photo(40, 30)).toFile(at('in', name));
  await fs.writeFile(at('in', 'bad.jpg'), 'no picture');
  const model = await modelIn(at('model'), classifier({ fixed: true, labels: [...'abcdefghij'] }));
  for (const suffix of ['parquet', 'csv', 'jsonl']) {
    const table = at(`t.${suffix}`);
    await fs.writeFile(at('in', 'bad.jpg'), 'no picture');
    const first = await runJob(0, [at('in'), table, ...model]);
    t.match(first, {
      code: 1,
      stderr: /1 of 3 pictures failed: .*bad\.jpg \(it is none of JPEG.*not made yet/,
    });
    t.notOk(existsSync(table), 'nothing is published');
    const allowed = await runJob(0, [at('in'), at(`errors.${suffix}`), ...model, '--max-failures', '1']);
    t.match(allowed, { code: 0, stderr: /wrote .*errors/ });
    if (noDuck === false) {
      const rows = await duckRows(at(`errors.${suffix}`));
      t.strictSame(
        rows.map(({ file }) => String(file).slice(-5)),
        [...Array(3).fill('a.png'), ...Array(3).fill('b.jpg'), 'd.jpg'],
        suffix,
      );
      t.match(rows.at(-1), { error: /none of JPEG/, rank: null, class: null, label: null, score: null });
      t.ok(rows.slice(0, 6).every(({ error, score }) => error === null && Number(score) > 0));
    }
    await pipeline(photo(16, 16)).jpeg().toFile(at('in', 'bad.jpg'));
    const second = await runJob(2, [at('in'), table, ...model]);
    t.match(second, { code: 0, stderr: /3 pictures: 3 done, 2 of these by an earlier run/ });
    t.ok(existsSync(table));
    t.notOk(existsSync(`${table}.framescatter`));
  }
  await fs.writeFile(at('list'), `${at('in', 'b.jpg')}\n${at('in', 'a.png')}\n`);
  t.equal((await runJob(0, ['--list', at('list'), at('l.csv'), ...model])).code, 0);
  const lines = (await fs.readFile(at('l.csv'), 'utf8')).trimEnd().split('\n');
  t.equal(lines[0], 'file,error,rank,class,label,score');
  t.match(lines[1], /b\.jpg",,1,/, 'in the order of the list');
  t.equal(lines.length, 7);
  const none = await runJob(0, [at('in', 'gone.jpg'), at('g.csv'), ...model]);
  t.match(none, { code: 1, stderr: /gone\.jpg \(it cannot be read: ENOENT/ });
});

t.test('one picture, killed at any step, is there whole after the same command', async (t) => {
  const folder = t.testdir({});
  const at = (name: string): string => join(folder, name);
  await pipeline(photo(20, 30)).png().toFile(at('in.png'));
  const model = await modelIn(at('model'), pictureIdentity());
  const words = (name: string) => [at('in.png'), at(name), ...model];
  const calls = await countedRun(folder, words('out.png'));
  const value = digestOf(await fs.readFile(at('out.png')));
  for (let kill = calls - 5; kill > calls - 14; kill -= 3) {
    const name = `${kill}.png`;
    t.not((await runUntil(kill, 0, words(name))).code, 0);
    const again = await runJob(0, words(name));
    t.equal(again.code, 0, `${kill} of ${calls}: ${again.stderr}`);
    t.equal(digestOf(await fs.readFile(at(name))), value);
    t.notOk(existsSync(at(`${name}.framescatter`)), 'no work is left');
  }
});

t.test('a table killed at any step is made whole by the same command', async (t) => {
  const folder = t.testdir({});
  const at = (...names: string[]): string => join(folder, ...names);
  await writePhotos(at('in'), 5);
  const model = await modelIn(at('model'), classifier());
  const words = (name: string) => [at('in'), at(name), ...model];
  const calls = await countedRun(folder, words('t.csv'));
  const value = digestOf(await fs.readFile(at('t.csv')));
  for (const kill of [Math.floor(calls / 2), calls - 7, calls - 4]) {
    const name = `${kill}.csv`;
    t.not((await runUntil(kill, 0, words(name))).code, 0);
    const again = await runJob(2, words(name));
    t.equal(again.code, 0, `${kill} of ${calls}: ${again.stderr}`);
    t.equal(digestOf(await fs.readFile(at(name))), value);
    t.notOk(existsSync(at(`${name}.framescatter`)), 'no work is left');
  }
  t.not((await runUntil(calls - 1, 0, words('end.csv'))).code, 0);
  t.match(await runJob(0, words('end.csv')), { code: 1, stderr: /the output exists/ }, 'it was complete');
  t.notOk(existsSync(at('end.csv.framescatter')), 'no work is left');
});

t.test('NaN is told by the names of the pictures, and --strict makes them fail', async (t) => {
  const folder = t.testdir({});
  const at = (...names: string[]): string => join(folder, ...names);
  await fs.mkdir(at('in'));
  const flat = (value: number) =>
    sharp({ create: { width: 40, height: 40, channels: 3, background: { r: value, g: value, b: value } } });
  await flat(10).png().toFile(at('in', 'dark.png'));
  await flat(250).png().toFile(at('in', 'light.png'));
  const model = await modelIn(at('model'), nanTable());
  const plain = await runJob(0, [at('in'), at('t.csv'), ...model]);
  t.match(plain, { code: 0, stderr: /NaN or infinity in 1 of 2 pictures: .*\.png/ });
  const strict = await runJob(0, [at('in'), at('s.csv'), ...model, '--strict']);
  t.match(strict, { code: 1, stderr: /1 of 2 pictures failed: .*\(the model gave NaN or infinity\)/ });
});

t.test('what cannot be done is refused before anything is made', async (t) => {
  const folder = t.testdir({ out: {}, a: {}, b: {}, empty: {}, mixed: {} });
  const at = (...names: string[]): string => join(folder, ...names);
  for (const place of ['a', 'b', 'mixed']) await pipeline(photo(8, 8)).png().toFile(at(place, 'x.png'));
  await fs.copyFile(await makeClip('cfr'), at('mixed', 'film.mp4'));
  const table = await modelIn(at('table'), classifier());
  const style = await modelIn(at('style'), pictureIdentity());
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [[at('a'), '--out-dir', at('a'), ...style], 1, /the outputs would have the names of their sources in/],
    [[at('a'), at('b'), '--out-dir', at('out'), ...style], 2, /two pictures would have the output x\.png/],
    [[at('empty'), '--out-dir', at('out'), ...style], 2, /there is no picture in .*empty, and no video/],
    [[at('a', '*.gif'), '--out-dir', at('out'), ...style], 2, /there is no picture in/],
    [
      [at('a', 'x.png'), at('mixed', 'film.mp4'), '--out-dir', at('out'), ...style],
      2,
      /is a picture, and .*film\.mp4 is or holds a video/,
    ],
    [[at('mixed', 'film.mp4'), at('out.jpg'), ...style], 2, /OUTPUT is a picture .* is or holds a video/],
    [
      [at('mixed'), at('t.csv'), ...table],
      2,
      /OUTPUT is a table of pictures, and .*mixed is or holds a video/,
    ],
    [[at('a'), at('b'), at('t.csv'), ...style], 1, /gives no table/],
    [[at('a'), '--out-dir', at('out'), ...table], 1, /gives a table and no picture/],
    [[at('a'), '--out-dir', at('out'), ...style, '--crf', '20'], 2, /--crf does not apply to pictures/],
    [[at('a'), '--out-dir', at('out'), ...style, '--batch', '4'], 2, /--batch does not apply/],
    [[at('a'), at('nowhere', 't.csv'), ...table], 1, /the folder of the output does not exist/],
  ];
  for (const [words, code, message] of cases) {
    t.match(await runJob(0, words), { code, stderr: message }, words.slice(0, 3).join(' '));
  }
  t.strictSame(await fs.readdir(at('out')), []);
  const queue = await runJob(0, [at('mixed'), '--out-dir', at('videos'), ...CPU, '--model', 'wave']);
  t.match(queue, {
    code: 0,
    stderr: /1 picture is left out: a folder that holds videos is a queue of videos/,
  });
  t.strictSame(await fs.readdir(at('videos')), ['film.mp4']);
});

t.test('with --overwrite no file that the job reads is replaced, and no folder', async (t) => {
  const at = (...names: string[]): string => join(t.testdirName, ...names);
  t.testdir({ in: {}, out: {} });
  const model = await modelIn(at('model'), pictureIdentity());
  await pipeline(photo(32, 24)).toFile(at('out', 'a.png'));
  const source = digestOf(await fs.readFile(at('out', 'a.png')));
  await fs.symlink('../out/a.png', at('in', 'a.png'));
  const words = ['--out-dir', at('out'), '--overwrite', ...model];
  const linked = await runJob(0, [at('in', 'a.png'), ...words]);
  t.match(linked, { code: 1, stderr: /an output is the input: .*out\/a\.png/ });
  t.equal(digestOf(await fs.readFile(at('out', 'a.png'))), source);

  await fs.mkdir(at('out', 'b.png'));
  await pipeline(photo(32, 24)).toFile(at('in', 'b.png'));
  const folder = await runJob(0, [at('in', 'b.png'), ...words]);
  t.match(folder, { code: 1, stderr: /out\/b\.png is a folder, and would be the output of a picture/ });
});

t.test('a file that appears at an output stays, and only its picture fails', async (t) => {
  const at = (...names: string[]): string => join(t.testdirName, ...names);
  t.testdir({});
  const names = await writePhotos(at('in'), 60);
  const last = names.at(-1) ?? '';
  const words = [at('in'), '--out-dir', at('out'), '--model', 'wave', ...CPU];
  const job = startJob(0, [...words, '--verbose']);
  await until('a group', async () => /group 0 is recorded/.test(job.stderr()));
  await fs.writeFile(at('out', last), 'mine', { flag: 'wx' });
  const { code, stderr } = await job.result;
  t.equal(code, 1, stderr);
  t.match(stderr, new RegExp(`1 of 60 pictures failed: .*${last} appeared while the job ran`));
  t.equal(await fs.readFile(at('out', last), 'utf8'), 'mine');
  const made = await fs.readdir(at('out'));
  t.same(
    names.filter((name) => !made.includes(name)),
    [],
    'all others are there',
  );
  t.match(await runJob(0, words), { code: 0, stderr: /1 picture is skipped: its output exists already/ });
  t.equal(await fs.readFile(at('out', last), 'utf8'), 'mine');
});

t.test('an output that was published is that of its source only', async (t) => {
  const at = (...names: string[]): string => join(t.testdirName, ...names);
  t.testdir({});
  const model = await modelIn(at('model'), classifier());
  await writePhotos(at('in'), 4);
  const words = [at('in'), at('t.csv'), ...model];
  const steps = await countedRun(t.testdirName, words);
  await fs.rm(at('t.csv'));
  // Some step before its last ones the table is there, and its work still is, too.
  let seen = 0;
  for (let step = steps; step > 0 && seen === 0; step--) {
    await runUntil(step, 0, words);
    if (!existsSync(at('t.csv')) || !existsSync(at('t.csv.framescatter'))) {
      await fs.rm(at('t.csv'), { force: true });
      await fs.rm(at('t.csv.framescatter'), { force: true, recursive: true });
      continue;
    }
    seen += 1;
    await fs.rm(at('in', 'p00.jpg'));
    const other = await runJob(0, words);
    t.match(other, { code: 1, stderr: /the output exists: .*t\.csv/ }, 'of other pictures');
    await writePhotos(at('in'), 1);
    await fs.rm(at('t.csv'));
  }
  t.equal(seen, 1);
});

t.test('pictures from and to Blob storage', { skip: withoutAzurite }, async (t) => {
  const folder = t.testdir({});
  const azurite = await startAzurite();
  t.teardown(() => azurite.stop());
  const container = await azurite.container('photos');
  const names = await writePhotos(join(folder, 'in'), 5);
  for (const name of names)
    await container.getBlockBlobClient(`2026/${name}`).uploadFile(join(folder, 'in', name));
  await container.getBlockBlobClient('2026/sub/other.jpg').upload('x', 1);
  await container.getBlockBlobClient('2026/bad.jpg').upload('no picture', 10);
  const sas = azurite.sas('photos', 'rwdlc');
  const address = (name: string): string => `${azurite.endpoint}/photos/${name}?${sas}`;
  const words = (source: string, out: string) => [source, '--out-dir', out, '--model', 'wave', ...CPU];
  const local = await runJob(0, words(join(folder, 'in'), join(folder, 'out')));
  t.equal(local.code, 0, local.stderr);
  const value = await contentsOf(join(folder, 'out'));

  const first = await runJob(2, words(address('2026/'), address('styled/')));
  t.match(first, { code: 1, stderr: /1 of 6 pictures failed: .*bad\.jpg \(it is none of JPEG/ });
  t.notMatch(first.stderr, /sig=/, 'the SAS is shown nowhere');
  for (const name of names) {
    const blob = container.getBlockBlobClient(`styled/${name}`);
    t.equal(digestOf(await blob.downloadToBuffer()), value[name], name);
    t.match(await blob.getProperties(), { contentType: /^image\// });
  }
  await container.deleteBlob('2026/bad.jpg');
  const second = await runJob(0, words(address('2026/'), address('styled/')));
  t.match(second, { code: 0, stderr: /5 pictures: 5 done, 5 of these by an earlier run/ });
  const left: string[] = [];
  for await (const { name } of container.listBlobsFlat({ prefix: 'styled' })) left.push(name);
  t.strictSame(
    left,
    names.map((name) => `styled/${name}`),
    'no work is left',
  );
  t.match(await runJob(0, words(address('2026/'), address('2026/'))), {
    code: 1,
    stderr: /the outputs would have the names of their sources in/,
  });
  const one = await runJob(0, [
    address(`2026/${names[0]}`),
    join(folder, 'one.jpg'),
    '--model',
    'wave',
    ...CPU,
  ]);
  t.equal(one.code, 0, one.stderr);
  t.equal(digestOf(await fs.readFile(join(folder, 'one.jpg'))), value[names[0] ?? '']);
  const single = [address(`2026/${names[0]}`), address('one.jpg'), '--model', 'wave', ...CPU];
  t.equal((await runJob(0, single)).code, 0);
  const blob = container.getBlockBlobClient('one.jpg');
  t.equal(digestOf(await blob.downloadToBuffer()), value[names[0] ?? '']);
  const there = await runJob(0, single);
  t.match(there, { code: 1, stderr: /the output exists: .*photos\/one\.jpg$/m });
  const model = await modelIn(join(folder, 'model'), classifier());
  const table = await runJob(2, [address('2026/'), address('labels.csv'), ...model]);
  t.equal(table.code, 0, table.stderr);
  const text = (await container.getBlockBlobClient('labels.csv').downloadToBuffer()).toString();
  t.equal(text.trimEnd().split('\n').length, 1 + 3 * names.length);
  t.match(text, new RegExp(`^"${azurite.endpoint}/photos/2026/${names[0]}",,1,`, 'm'), 'without the SAS');
});
