/** Whole jobs whose frames go through the model in tiles. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { makeClip, makeClipAs } from '../fixtures/clips.js';
import { slowModel } from '../fixtures/identity-model.js';
import { decodedFrames, ourLines, runJob } from '../fixtures/job.js';
import { countedRun, runUntil } from '../fixtures/port-jobs.js';

t.setTimeout(300_000);

const LOSSLESS = ['--codec', 'ffv1', '--provider', 'cpu', '--segment-seconds', '0.4'];

t.test('tiles give the frames of whole ones, on any ranks, and after a stop', async (t) => {
  const folder = t.testdir();
  const clip = await makeClip('cfr');
  const model = await slowModel(folder);
  const words = (name: string, ...more: readonly string[]): readonly string[] => {
    return [clip, join(folder, `${name}.mkv`), '--model', model, ...LOSSLESS, ...more];
  };
  const framesOf = (name: string) => decodedFrames(join(folder, `${name}.mkv`));
  const whole = await runJob(0, words('whole', '--tile', 'off'));
  t.equal(whole.code, 0, whole.stderr);
  const expected = framesOf('whole');

  for (const [name, ranks, ...more] of [
    ['three', 3, '--schedule', 'dynamic'],
    ['segments', 2, '--split', 'segments'],
  ] as const) {
    const { code, stderr } = await runJob(ranks, words(name, '--tile', '96', ...more));
    t.equal(code, 0, stderr);
    t.match(
      stderr,
      /each frame is made in \d+ tiles of \d+x\d+, which share \d+ pixels: the result is that of/,
    );
    t.same(framesOf(name), expected, name);
  }

  const calls = await countedRun(folder, words('one', '--tile', '96'));
  t.same(framesOf('one'), expected, 'one');
  const stopped = words('stopped', '--tile', '96');
  t.equal((await runUntil(Math.floor(calls / 2), 0, stopped)).code, 137, 'it was killed');
  const other = await runJob(1, words('stopped', '--tile', '128'));
  t.equal(other.code, 1, 'the tiles belong to the journal');
  t.match(other.stderr, /tiles/);
  const again = await runJob(1, words('stopped'));
  t.equal(again.code, 0, again.stderr);
  t.match(again.stderr, /resuming after \d+ frames/);
  t.match(again.stderr, /in \d+ tiles of/, 'auto goes on with those of the run before');
  t.same(framesOf('stopped'), expected);
});

t.test('tiles are taken where frames do not fit into memory', async (t) => {
  const folder = t.testdir();
  const clip = await makeClipAs('large.mp4', ['-vf', 'scale=1280:720', '-frames:v', '2', '-c:v', 'libx264']);
  const words = (name: string, model: string, tile = 'auto'): readonly string[] => {
    return [
      clip,
      join(folder, name),
      '--model',
      model,
      '--provider',
      'cpu',
      '--preset',
      'ultrafast',
      '--tile',
      tile,
    ];
  };
  const model = await slowModel(folder);
  const tight = (bytes: number) => ({ env: { FRAMESCATTER_MAX_MEMORY: String(bytes) } });
  const lack = await runJob(0, words('a.mp4', model, 'off'), tight(2 ** 20));
  t.equal(lack.code, 1);
  const [, needed = '0'] = /the job needs about (\d+) MiB/.exec(lack.stderr) ?? [];
  t.ok(Number(needed) > 300, needed);
  const limit = tight((Number(needed) - 50) * 2 ** 20);
  t.match(await runJob(0, words('a.mp4', model, 'off'), limit), { code: 1 });
  const { code, stderr } = await runJob(0, words('a.mp4', model), limit);
  t.equal(code, 0, stderr);
  t.match(stderr, /each frame is made in \d+ tiles/);
  t.equal(decodedFrames(join(folder, 'a.mp4')).length, 2);

  // A style's norms look at whole frames: the user is asked.
  const style = await runJob(0, words('b.mp4', 'wave'), tight(400 * 2 ** 20));
  t.equal(style.code, 1, style.stderr);
  t.match(
    ourLines(style.stderr).at(-1),
    /--tile \d+ would fit; they change the result, as the network looks at/,
  );
});

t.test('what tiles do not go with is refused before any work', async (t) => {
  const folder = t.testdir();
  const clip = await makeClip('cfr');
  for (const [words, message] of [
    [['--tile', '10'], /--tile takes auto, off, or 64 to 65536 pixels, not "10"/],
    [['--tile', '96', '--steady', '0.5'], /is held against flicker by --steady, so --tile does not apply/],
  ] as const) {
    const { code, stderr } = await runJob(0, [clip, join(folder, 'o.mp4'), '--model', 'wave', ...words]);
    t.equal(code, 2, stderr);
    t.match(stderr, message);
  }
  t.same(await fs.readdir(folder), []);
});
