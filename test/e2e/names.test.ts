/** Whole jobs on files of every name that a file system takes. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { makeClip } from '../fixtures/clips.js';
import { identityModel, slowModel } from '../fixtures/identity-model.js';
import { decodedFrames, endWithin, runJob, startJob } from '../fixtures/job.js';
import { slowFfmpeg } from '../fixtures/slow-ffmpeg.js';

t.setTimeout(1_800_000);

/** 255 bytes, of which every character has three. */
const LONGEST = `${'映'.repeat(83)}ab.mp4`;
const ODD = ['-x.mp4', 'two\nlines "q" \'s\' %d: .mp4', 'dot. .mkv'] as const;

t.test('INPUT, OUTPUT and --report of the longest names, and odd ones', async (t) => {
  const folder = t.testdir({ in: {}, out: {} });
  const model = ['--model', await identityModel(folder), '--provider', 'cpu'];
  for (const name of [LONGEST, ...ODD]) {
    await fs.copyFile(await makeClip('one-frame'), join(folder, 'in', name));
    const report = `${name.slice(0, -4)}.log`;
    const args = [
      '--report',
      join(folder, 'out', report),
      ...model,
      '--',
      join('in', name),
      join('out', name),
    ];
    const { code, stderr } = await runJob(0, args, { cwd: folder });
    t.equal(code, 0, stderr);
    t.equal(decodedFrames(join(folder, 'out', name)).length, 1, name);
    t.equal(JSON.parse(await fs.readFile(join(folder, 'out', report), 'utf8')).frames, 1);
  }
  const left = (await fs.readdir(join(folder, 'out'))).filter((name) => name.includes('framescatter'));
  t.same(left, [], 'nothing is left beside them');
});

t.test('a job with the longest name resumes where it was stopped', async (t) => {
  const folder = t.testdir();
  const input = join(folder, LONGEST);
  const output = join(folder, LONGEST.replace('mp4', 'mkv'));
  await fs.copyFile(await makeClip('long-mkv'), input);
  const args = [
    input,
    output,
    '--model',
    await slowModel(folder),
    '--provider',
    'cpu',
    '--segment-seconds',
    '1',
  ];
  const first = startJob(0, args, { env: slowFfmpeg(folder) });
  const beside = async () => (await fs.readdir(folder)).find((name) => name.endsWith('.framescatter'));
  for (;;) {
    const work = await beside();
    if (work !== undefined && (await fs.readdir(join(folder, work))).includes('segment-000000.json')) break;
    if ((await endWithin(first, 50)) !== undefined) break;
  }
  process.kill(first.pid, 'SIGTERM');
  t.equal((await first.result).code, 75, first.stderr());
  const { code, stderr } = await runJob(0, args);
  t.equal(code, 0, stderr);
  t.match(stderr, /resuming after \d+ frames/);
  t.equal(decodedFrames(output).length, 100);
  t.equal(await beside(), undefined);
});

t.test('names that cannot be are refused at once, in clear words', async (t) => {
  const folder = t.testdir();
  const model = ['--model', await identityModel(folder), '--provider', 'cpu'];
  const input = await makeClip('one-frame');
  const refused = async (from: string, to: string, said: RegExp): Promise<void> => {
    const { code, stderr } = await runJob(0, [from, to, ...model]);
    t.equal(code, 1, stderr);
    t.match(stderr, said);
    t.notMatch(stderr, /internal error|\n\s+at /);
  };
  await refused(
    join(folder, `${'x'.repeat(300)}.mp4`),
    join(folder, 'o.mp4'),
    /cannot be read: ENAMETOOLONG/,
  );
  await refused(input, join(folder, `${'x'.repeat(300)}.mp4`), /ENAMETOOLONG[\s\S]*255 bytes/);
  await refused(input, join(folder, 'caf\ufffd.mp4'), /not valid UTF-8/);
  // A path that fits, in which what a job keeps does not.
  let deep = folder;
  while (deep.length < 4096 - 250) deep = join(deep, 'd'.repeat(200));
  deep = join(deep, 'e'.repeat(4095 - deep.length - 16));
  await fs.mkdir(deep, { recursive: true });
  await refused(input, join(deep, 'out.mp4'), /ENAMETOOLONG[\s\S]*--work-dir/);
  const shorter = ['--work-dir', join(folder, 'work')];
  const { code, stderr } = await runJob(0, [input, join(deep, 'out.mp4'), ...model, ...shorter]);
  t.equal(code, 0, stderr);
});
