/** Arrays of videos on a real Slurm. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { packageRoot } from '../../src/system/package.js';
import { makeClip } from '../fixtures/clips.js';
import { slowModel } from '../fixtures/identity-model.js';
import { decodedFrames } from '../fixtures/job.js';
import { slowFfmpeg } from '../fixtures/slow-ffmpeg.js';
import { ENDED, eventually, slurmMissing, startSlurm } from '../fixtures/slurm.js';

const missing = slurmMissing();
if (missing !== undefined) {
  t.plan(0, missing);
  process.exit();
}

const SCRIPT = join(packageRoot(), 'slurm', 'stylize-array.sh');
const SMALL = ['--cpus-per-task=1', '--time=10'];
const HOSTILE = 'a "b"\n$(touch pwned) \'c\'.mp4';

const cluster = startSlurm();
t.teardown(() => cluster.stop());

/** Runs the script that submits an array and its summary; their numbers. */
function submitArray(
  cwd: string,
  words: readonly string[],
  env: NodeJS.ProcessEnv = {},
): { readonly array: string; readonly summary: string } {
  const { status, stderr } = cluster.run('bash', [SCRIPT, ...words], { cwd, env });
  t.equal(status, 0, stderr);
  const number = (kind: string): string => new RegExp(`${kind} (\\d+)`).exec(stderr)?.[1] ?? '';
  return { array: number('array'), summary: number('summary') };
}

t.test(
  'three videos: one is done, one fails, one is stopped and goes on; then only what is missing',
  async (t) => {
    const cwd = t.testdir({ videos: { 'broken.mp4': 'no video', 'notes.txt': 'not one of the videos' } });
    fs.copyFileSync(await makeClip('cfr'), join(cwd, 'videos', HOSTILE));
    fs.copyFileSync(await makeClip('long-gop'), join(cwd, 'videos', 'z.mp4'));
    const job = ['--model', await slowModel(cwd), '--segment-seconds', '1.6', '--provider', 'cpu'];
    const words = ['--throttle', '2', ...SMALL, '--', 'videos', 'results', ...job];

    const { array, summary } = submitArray(cwd, words, slowFfmpeg(cwd));
    t.match(cluster.job(summary), { state: 'PENDING', reason: 'Dependency' });
    const journal = join(cwd, 'results', 'z.mp4.framescatter');
    await eventually('a segment', () => fs.existsSync(join(journal, 'segment-000001.json')));
    // The last element bears the array's own number: the others must not be requeued with it.
    cluster.run('scancel', ['--signal=USR1', '--batch', `${array}_2`]);
    t.match(await cluster.until(`${array}_2`, 'PENDING', ...ENDED), { state: 'PENDING', restarts: 1 });
    t.match(await cluster.until(`${array}_0`, ...ENDED), { state: 'COMPLETED', restarts: 0 });
    t.match(await cluster.until(`${array}_1`, ...ENDED), { state: 'FAILED', code: 1, restarts: 0 });
    t.match(cluster.job(summary), { state: 'PENDING' }, 'the summary waits for the one that was requeued');
    t.match(await cluster.until(`${array}_2`, ...ENDED), { state: 'COMPLETED', restarts: 1 });
    t.match(await cluster.until(summary, ...ENDED), { state: 'FAILED', code: 1 });
    const said = fs.readFileSync(join(cwd, `framescatter-summary-${summary}.out`), 'utf8');
    t.match(said, new RegExp(`^${array}_1 \\S*broken\\.mp4: failed with exit code 1$`, 'm'));
    t.match(said, /^2 of 3 videos are done$/m);
    t.equal(decodedFrames(join(cwd, 'results', HOSTILE)).length, 25);
    t.equal(decodedFrames(join(cwd, 'results', 'z.mp4')).length, 100);
    t.notOk(fs.existsSync(join(cwd, 'pwned')));

    fs.copyFileSync(await makeClip('one-frame'), join(cwd, 'videos', 'broken.mp4'));
    const again = submitArray(cwd, words);
    t.match(await cluster.until(again.summary, ...ENDED), { state: 'COMPLETED' });
    t.match(
      fs.readFileSync(join(cwd, `framescatter-summary-${again.summary}.out`), 'utf8'),
      /^3 of 3 videos are done$/m,
    );
    t.match(fs.readFileSync(join(cwd, `framescatter-array-${again.array}_2.out`), 'utf8'), /exists already/);
    const left = fs.readdirSync(join(cwd, 'results')).filter((name) => name.startsWith('.framescatter-'));
    t.notOk(left.includes(`.framescatter-array-${again.array}`), 'its bookkeeping is gone');
    t.equal(
      left.filter((name) => name.startsWith('.framescatter-list.')).length,
      1,
      'the first one keeps its list',
    );
  },
);

t.test(
  'lists: by line or by NUL, and what is wrong with them is said before anything is submitted',
  async (t) => {
    const cwd = t.testdir({
      'a.mp4': 'x',
      other: { 'a.mp4': 'y' },
      'twice.txt': 'a.mp4\nother/a.mp4\n',
      'gone.txt': 'a.mp4\n\nmissing.mp4\n',
      'nul.txt': 'a.mp4\0nothing\nhere\0',
      'empty.txt': '\n',
    });
    const refused = (...words: readonly string[]): string => {
      const { status, stderr } = cluster.run('bash', [SCRIPT, ...words], { cwd });
      t.equal(status, 2, stderr);
      return stderr;
    };
    t.match(
      refused('--', 'twice.txt', 'out'),
      /two videos would have the result \S*out\/a\.mp4: \S*a\.mp4 and/,
    );
    fs.symlinkSync('other', join(cwd, 'link'));
    fs.writeFileSync(join(cwd, 'other', 'a.avi.mkv'), 'x');
    fs.writeFileSync(join(cwd, 'other', 'a.avi'), 'x');
    t.match(
      refused('--', 'link', 'out'),
      /two videos would have the result \S*out\/a\.avi\.mkv: \S*link\/a\.avi and \S*link\/a\.avi\.mkv/,
      'the videos of a folder that a link leads to',
    );
    t.match(refused('--', 'gone.txt', 'out'), /video 1 of the list cannot be read: \S*missing\.mp4/);
    t.match(refused('--', 'nul.txt', 'out'), /video 1 of the list cannot be read: .*nothing\\nhere/);
    t.match(refused('--', 'empty.txt', 'out'), /no videos in/);
    t.match(refused('--', 'nowhere', 'out'), /not a folder or list/);
    t.match(refused('--throttle', '0', '--', 'gone.txt', 'out'), /usage/);
    t.match(refused('gone.txt', 'out'), /usage/);
    const { status, stderr } = cluster.run(
      'bash',
      [SCRIPT, '--partition=nope', '--', join(cwd, 'a.txt'), 'out'],
      { cwd },
    );
    t.equal(status, 2, stderr);
    fs.writeFileSync(join(cwd, 'one.txt'), 'a.mp4');
    const bad = cluster.run('bash', [SCRIPT, '--partition=nope', '--', 'one.txt', 'out'], { cwd });
    t.equal(bad.status, 1);
    t.match(bad.stderr, /invalid partition specified: nope.*Slurm refused the array of 1 videos/s);
    t.same(fs.readdirSync(join(cwd, 'out')), [], 'nothing is left of it');
  },
);
