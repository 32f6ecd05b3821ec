/**
 * Models with several pictures: a video of each, right pixel by pixel, with the main one's times, the same
 * however the work is dealt and resumed, and published whole. Models whose one picture has one channel.
 */

import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startAzurite, withoutAzurite } from '../fixtures/azurite.js';
import { ffmpegClip, makeClip } from '../fixtures/clips.js';
import { type Coding, largestDifference } from '../fixtures/float64-reference.js';
import { decodedFrames, decodedSamples, ourLines, probed, runJob } from '../fixtures/job.js';
import { modelIn } from '../fixtures/model-in.js';
import {
  flatDepth,
  PICTURES,
  type PictureName,
  pictureFrame,
  severalPictures,
} from '../fixtures/picture-models.js';
import { countedRun, runUntil } from '../fixtures/port-jobs.js';
import type { StateModel } from '../fixtures/state-models.js';

t.setTimeout(1_800_000);

const SIZE = { width: 96, height: 64 };
const FRAMES = 80;
const BT601: Coding = { matrix: 'bt601', range: 'limited' };
const CPU = ['--provider', 'cpu'];
const LOSSLESS = ['--codec', 'ffv1', ...CPU];
const FURTHER = ['pha', 'depth', 'large'] as const;

/** Uneven times, and sound. */
function clip(): Promise<string> {
  return ffmpegClip(
    'pictures.mp4',
    [
      {
        from: {
          lavfi: `testsrc2=s=${SIZE.width}x${SIZE.height}:r=25,settb=1/90000,setpts=90*(40*N+7*mod(N\\,3))`,
        },
      },
      { from: { lavfi: 'sine=d=3' } },
    ],
    [
      ...['-frames:v', String(FRAMES), '-fps_mode', 'passthrough', '-enc_time_base', '1/90000'],
      ...[
        '-c:v',
        'libx264',
        '-g',
        '10',
        '-bf',
        '2',
        '-crf',
        '12',
        '-pix_fmt',
        'yuv420p',
        '-video_track_timescale',
        '90000',
      ],
    ],
  );
}

interface Job {
  readonly args: readonly string[];
  /** Where each picture goes. */
  readonly places: ReadonlyMap<PictureName, string>;
}

/** A job of these pictures in an empty folder. */
async function jobIn(
  folder: string,
  model: StateModel,
  input: string,
  further: readonly PictureName[] = FURTHER,
  suffix: 'mkv' | 'mp4' = 'mkv',
): Promise<Job> {
  const at = (name: string): string => join(folder, `${name}.${suffix}`);
  const outputs = further.flatMap((name) => ['--output', `${name}=${at(name)}`]);
  const codec = suffix === 'mkv' ? LOSSLESS : CPU;
  const words = [input, at('fgr'), '--model', await modelIn(folder, model), ...codec, ...outputs];
  return {
    args: [...words, '--segment-seconds', '0.5'],
    places: new Map((['fgr', ...further] as const).map((name) => [name, at(name)])),
  };
}

/** All frames of all pictures, with their times. */
function contentOf({ places }: Job): string {
  return JSON.stringify([...places].map(([name, path]) => [name, decodedFrames(path)]));
}

/**
 * Compares some frames of a picture with those worked out in float64. A level: two roundings meet at halves.
 */
function alike(t: Test, name: PictureName, source: Buffer, made: Buffer): void {
  const bytes = (SIZE.width * SIZE.height * 3) / 2;
  const own = name === 'large' ? 4 * bytes : bytes;
  t.equal(made.length, FRAMES * own, `${name}: as many frames`);
  for (const at of [0, 41, FRAMES - 1]) {
    const frame = source.subarray(at * bytes, (at + 1) * bytes);
    const found = made.subarray(at * own, (at + 1) * own);
    const difference = largestDifference(found, pictureFrame(name, frame, SIZE, BT601));
    t.ok(difference <= 1, `${name}, frame ${at}: ${difference} levels`);
    if (name === 'large' || name === 'fgr') continue;
    const isGrey = found.subarray((bytes * 2) / 3).every((level) => level === 128);
    t.ok(isGrey, `${name}, frame ${at}: chroma is neutral`);
  }
}

function filesIn(folder: string): Promise<string[]> {
  return fs.readdir(folder).then((names) => names.filter((name) => !name.startsWith('model.')).sort());
}

t.test('a video of each picture, right pixel by pixel, with the times of the main one', async (t) => {
  const input = await clip();
  const folder = t.testdir();
  const job = await jobIn(folder, severalPictures(), input);
  const report = join(folder, 'report.json');
  const table = join(folder, 'share.csv');
  const { code, stderr } = await runJob(0, [...job.args, '--report', report, '--table', table]);
  t.equal(code, 0, stderr);
  const paths = PICTURES.map((name) => job.places.get(name) ?? '');
  t.match(stderr, `wrote ${paths.join(' and ')} and ${table}`);
  const source = decodedSamples(input);
  const times = decodedFrames(input).map(({ ticks }) => ticks);
  for (const name of PICTURES) {
    const path = job.places.get(name) ?? '';
    alike(t, name, source, decodedSamples(path));
    t.same(
      decodedFrames(path).map(({ ticks }) => ticks),
      times,
      `${name}: every time`,
    );
    const kinds = probed(path).streams.map(({ codec_type }) => codec_type);
    t.same(kinds, name === 'fgr' ? ['video', 'audio'] : ['video'], `${name}: its streams`);
  }
  const { further } = JSON.parse(await fs.readFile(report, 'utf8'));
  t.match(further, [
    { name: 'pha', path: paths[1], container: 'mkv', ...SIZE },
    { name: 'depth', path: paths[2], ...SIZE },
    { name: 'large', path: paths[3], width: 2 * SIZE.width, height: 2 * SIZE.height },
  ]);
  const shares = (await fs.readFile(table, 'utf8')).trimEnd().split('\n').slice(1);
  t.equal(shares.length, FRAMES, 'a table goes beside them');
  const matte = decodedSamples(job.places.get('pha') ?? '', 'luma');
  const area = SIZE.width * SIZE.height;
  for (const at of [0, 41, FRAMES - 1]) {
    const mean =
      matte.subarray(at * area, (at + 1) * area).reduce((sum, one) => sum + one - 16, 0) / area / 219;
    t.ok(Math.abs(mean - Number(shares[at]?.split(',').at(-1))) < 0.5 / 219, `the share of frame ${at}`);
  }
  const made = PICTURES.map((name) => `${name}.mkv`);
  t.same(await filesIn(folder), [...made, 'report.json', 'share.csv'].sort());
});

t.test('the same bits at any number of ranks, in frames and in segments, killed and resumed', async (t) => {
  const input = await clip();
  for (const [what, model, pictures] of [
    ['alone', severalPictures(), FURTHER],
    ['with a state', severalPictures({ every: 6 }), ['pha']],
  ] as const) {
    const whole = await jobIn(t.testdir(), model, input, pictures);
    t.match(await runJob(1, whole.args), { code: 0 });
    const golden = contentOf(whole);
    const manners = [
      [3, 'frames', false],
      [1, 'frames', true],
      [3, 'segments', true],
    ] as const;
    for (const [ranks, split, killed] of what === 'alone' ? manners : manners.slice(2)) {
      const folder = t.testdir();
      const job = await jobIn(folder, model, input, pictures);
      const args = [...job.args, '--split', split];
      const manner = `${what}: ${ranks} ranks, ${split}${killed ? ', killed' : ''}`;
      if (killed) {
        t.not((await runUntil(60, ranks, args)).code, 0, 'it is killed');
        for (const path of job.places.values()) t.notOk(existsSync(path), `${path} is not there yet`);
      }
      const { code, stderr } = await runJob(killed ? 3 - ranks : ranks, args);
      t.equal(code, 0, stderr);
      if (killed) t.match(stderr, /resuming after \d+ frames/);
      if (split === 'segments') t.match(stderr, /split into \d+ segments/);
      t.ok(contentOf(job) === golden, manner);
      t.equal((await filesIn(folder)).length, job.places.size, 'nothing is left');
    }
  }
});

t.test('killed between two of its files: the same command finishes all of them', async (t) => {
  const input = await makeClip('cfr');
  const job = (folder: string) => jobIn(folder, severalPictures(), input, ['pha'], 'mp4');
  const first = t.testdir();
  const whole = await job(first);
  const calls = await countedRun(first, whole.args);
  const golden = contentOf(whole);
  const states: string[] = [];
  for (const before of [17, 15, 13, 11, 9]) {
    const folder = t.testdir();
    const own = await job(folder);
    t.equal((await runUntil(calls - before, 0, own.args)).code, 137);
    states.push([...own.places.values()].map((path) => existsSync(path)).join());
    const again = await runJob(2, own.args);
    t.equal(again.code, 0, again.stderr);
    t.equal(contentOf(own), golden, `${before} calls before the end`);
    t.same(await filesIn(folder), ['fgr.mp4', 'pha.mp4'], 'nothing is left');
  }
  t.ok(states.includes('false,true'), `the moment came: ${states.join('; ')}`);
  t.notOk(states.includes('true,false'), 'the main video comes last');
});

t.test('all of its files may go to Blob storage', { skip: withoutAzurite }, async (t) => {
  const azurite = await startAzurite();
  t.teardown(() => azurite.stop());
  const container = await azurite.container('films');
  const at = (name: string): string => `${azurite.endpoint}/films/${name}`;
  const env = { AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString };
  const folder = t.testdir();
  const local = await jobIn(folder, severalPictures(), await makeClip('cfr'), ['pha']);
  t.match(await runJob(0, local.args), { code: 0 });
  const golden = contentOf(local);
  const names = [...local.places.keys()].map((name) => `${name}.mkv`);
  const words = local.args.map((word) => word.replace(/[^=]*\/(\w+\.mkv)$/, at('$1')));
  const { code, stderr } = await runJob(2, words, { env });
  t.equal(code, 0, stderr);
  for (const name of names) await container.getBlobClient(name).downloadToFile(join(folder, name));
  t.equal(contentOf(local), golden);
  t.equal((await container.getBlobClient('pha.mkv').getProperties()).contentType, 'video/x-matroska');
  const found: string[] = [];
  for await (const { name } of container.listBlobsFlat()) found.push(name);
  t.same(found, names, 'nothing else is left');
  const [input = '', output = '', ...more] = words;
  const one = more.map((word) => (word.startsWith('pha=') ? `pha=${output}` : word));
  t.match(await runJob(0, [input, output, ...one, '--overwrite'], { env }), {
    ...{ code: 1, stderr: /the video is the output: / },
  });
});

t.test(
  'neither sound nor chapters, tags or rotation that are not its own go with a further picture',
  async (t) => {
    const folder = t.testdir();
    const rich = await jobIn(folder, severalPictures(), await makeClip('rich'), ['pha']);
    t.match(await runJob(0, rich.args), { code: 0 });
    const [main, matte] = [...rich.places.values()].map(probed);
    t.ok((main?.streams.length ?? 0) > 2 && (main?.chapters.length ?? 0) > 0, 'the main video has them');
    t.equal(matte?.streams.length, 1);
    t.same(matte?.chapters, []);
    t.notMatch(Object.keys(matte?.format.tags ?? {}).join(), /title|artist|comment/i);

    const rotated = await makeClip('rotated');
    const model = await modelIn(folder, severalPictures());
    const at = (name: string): string => join(folder, name);
    const turned = (output: string, matte: string) =>
      runJob(0, [rotated, at(output), '--model', model, ...CPU, '--output', `pha=${at(matte)}`]);
    const sideData = (name: string) => JSON.stringify(probed(at(name)).streams[0]?.side_data_list ?? []);
    const upright = await turned('turned.mkv', 'turned.mp4');
    t.equal(upright.code, 0, upright.stderr);
    t.notMatch(sideData('turned.mp4'), /rotation/, 'the frames are upright, and so is the matte');
    t.equal(probed(at('turned.mp4')).streams[0]?.width, 120);
    t.match(await turned('kept.mp4', 'lost.mkv'), {
      ...{ code: 2, stderr: /\.mkv cannot hold the mark of rotation that OUTPUT keeps/ },
    });
    const kept = await turned('kept.mp4', 'matte.mp4');
    t.equal(kept.code, 0, kept.stderr);
    t.match(sideData('matte.mp4'), /rotation/, 'as the main video has it');
  },
);

t.test('a picture that nobody asks for is not made, and one line says so', async (t) => {
  const { args, places } = await jobIn(t.testdir(), severalPictures(), await makeClip('cfr'), ['pha']);
  const { code, stderr } = await runJob(0, args);
  t.equal(code, 0, stderr);
  t.match(
    stderr,
    'the model also gives the pictures "depth", "large", which are not written: with one INPUT, --output NAME=FILE',
  );
  t.ok(existsSync(places.get('pha') ?? ''));
  const folder = t.testdir();
  const model = await modelIn(folder, severalPictures());
  const sheet = await runJob(0, ['preview', await makeClip('cfr'), join(folder, 's.png'), '--model', model]);
  t.equal(sheet.code, 0, sheet.stderr);
  t.match(sheet.stderr, /gives the pictures "pha", "depth", "large", which are not made/);
});

t.test('one channel alone is a grey video: with a manifest, or with options', async (t) => {
  const input = await clip();
  const folder = t.testdir();
  const { bytes, manifest } = flatDepth();
  const described = await modelIn(folder, { bytes, manifest });
  const bare = join(folder, 'bare.onnx');
  await fs.writeFile(bare, bytes);
  const source = decodedSamples(input);
  for (const [name, model, ...words] of [
    ['described', described],
    ['bare', bare, '--model-range', '0..1', '--model-channels', 'rgb'],
  ] as const) {
    const output = join(folder, `${name}.mkv`);
    const { code, stderr } = await runJob(0, [input, output, '--model', model, ...words, ...LOSSLESS]);
    t.equal(code, 0, stderr);
    alike(t, 'depth', source, decodedSamples(output));
  }
});

t.test('what does not go together is refused in a sentence, before any work', async (t) => {
  const folder = t.testdir();
  const input = join(folder, 'in.mkv');
  await fs.copyFile(await makeClip('one-frame'), input);
  const model = await modelIn(folder, severalPictures());
  const at = (name: string): string => join(folder, name);
  await fs.writeFile(at('mine.mkv'), 'mine');
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [['--output', `pha=${at('mine.mkv')}`], 1, /the output exists: .*mine\.mkv/],
    [['--output', `pha=${input}`, '--overwrite'], 1, /the output is the input/],
    [['--output', `pha=${at('out.mkv')}`], 1, /the file of "pha" is the output|the video is the output/],
    [
      ['--output', `pha=${at('a.mkv')}`, '--output', `depth=${at('a.mkv')}`],
      1,
      /"depth" is the file of "pha"/,
    ],
    [['--output', `fgr=${at('a.mkv')}`], 2, /OUTPUT is the picture "fgr", so --output fgr does not apply/],
    [
      ['--output', `ph=${at('a.mkv')}`],
      1,
      /has no further picture "ph": did you mean pha\?; it has pha, depth, large/,
    ],
    [['--output', `share=${at('a.mkv')}`], 2, /the output "share" of ".*" is a table, and no video/],
    [
      ['--output', `pha=${at('a.csv')}`],
      1,
      /"pha" is a picture: give --output pha a name that ends in \.mp4/,
    ],
    [['--output', `pha=${at('a.webm')}`], 2, /\.webm cannot hold ffv1 video/],
    [['--output', `pha=${at('a.txt')}`], 2, /--output takes NAME=FILE/],
  ];
  for (const [words, code, message] of cases) {
    const result = await runJob(0, [input, at('out.mkv'), '--model', model, ...LOSSLESS, ...words]);
    t.equal(result.code, code, result.stderr);
    t.match(result.stderr, message);
    t.equal(ourLines(result.stderr).filter((line) => /frames,/.test(line)).length, 0, 'nothing was made');
    t.same(await filesIn(folder), ['in.mkv', 'mine.mkv'], String(message));
  }
  t.equal(await fs.readFile(at('mine.mkv'), 'utf8'), 'mine');
  const many = await runJob(0, [
    input,
    '--out-dir',
    at('o'),
    '--output',
    `pha=${at('a.mkv')}`,
    '--model',
    model,
  ]);
  t.match(many, { code: 2, stderr: /--output goes with one INPUT and one OUTPUT/ });
});
