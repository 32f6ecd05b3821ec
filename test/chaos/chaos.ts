/**
 * Kills jobs at random moments and resumes them until they are done; then every decoded frame and timestamp must equal
 * an undisturbed run's. `--rounds N` (default 50), `--seed N`. Not a tap test: scripts/chaos.sh runs it, and CI a short one.
 */
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeClip } from '../fixtures/clips.js';
import { slowModel } from '../fixtures/identity-model.js';
import { decodedFrames, endWithin, jobPids, type RunningJob, startJob } from '../fixtures/job.js';
import { randomNumbers } from '../fixtures/random.js';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '50' }, seed: { type: 'string', default: '1' } },
});
const random = randomNumbers(Number(values.seed));
const pick = <T>(items: readonly [T, ...T[]]): T => items[Math.floor(random() * items.length)] ?? items[0];

const RANKS = [1, 2, 3, 8] as const;
const KILLS = ['a rank', 'the root', 'mpirun', 'ffmpeg', 'TERM to mpirun'] as const;
/** A run that takes longer than this hangs. */
const PATIENCE_MS = 120_000;
/** How often a round is disturbed before it may finish. */
const DISTURBANCES = 2;

const tally = { kills: 0, tooLate: 0, recomputed: 0, hangs: 0, wrong: 0 };

const folder = await fs.mkdtemp(join(tmpdir(), 'framescatter-chaos-'));
process.on(
  'exit',
  () => void import('node:fs').then(({ rmSync }) => rmSync(folder, { recursive: true, force: true })),
);
const model = await slowModel(folder);
const common = ['--model', model, '--segment-seconds', '0.8', '--verbose', '--provider', 'cpu'];
const modes = [
  await undisturbed('frames', await makeClip('long-gop')),
  await undisturbed('segments', await makeClip('open-gop')),
] as const;

for (let round = 1; round <= Number(values.rounds); round += 1) {
  const { split, input, options, expected } = pick(modes);
  const output = join(folder, `round-${round}.mp4`);
  const story: string[] = [];
  let code = -1;
  let before = 0;
  for (let run = 0; code !== 0 && run < 20; run += 1) {
    const ranks = pick(RANKS);
    const job = startJob(ranks, [input, output, ...options]);
    const kill = run < DISTURBANCES ? pick(KILLS) : undefined;
    if (kill !== undefined) await disturb(job, output, kill);
    const ended = await endWithin(job, PATIENCE_MS);
    if (ended === undefined) {
      tally.hangs += 1;
      process.kill(-job.pid, 'SIGKILL');
      code = (await job.result).code;
    } else {
      code = ended.code;
    }
    const resumed = Number(/resuming after (\d+) frames/.exec(job.stderr())?.[1] ?? 0);
    if (run > 0 && before > 0) tally.recomputed += Math.max(0, before - resumed);
    before = framesDone(job.stderr());
    // A signal can come when the output has just been put in its place: then only the launcher's code says otherwise.
    const published = code !== 0 && existsSync(output);
    if (published) code = 0;
    story.push(`${ranks} ranks${kill === undefined ? '' : `, ${kill}`}: ${code}`);
  }
  const same = code === 0 && JSON.stringify(decodedFrames(output)) === expected;
  if (!same) tally.wrong += 1;
  process.stdout.write(`round ${round}, ${split}: ${story.join(' | ')} | ${same ? 'equal' : 'WRONG'}\n`);
  await fs.rm(output, { force: true });
}

const survived = tally.kills;
process.stdout.write(
  `kills survived ${survived}, came too late ${tally.tooLate}, frames recomputed per kill ${(tally.recomputed / Math.max(1, survived)).toFixed(1)}, ` +
    `hangs ${tally.hangs}, wrong outputs ${tally.wrong}\n`,
);
process.exitCode = tally.hangs + tally.wrong === 0 && survived > 0 ? 0 : 1;

/** How jobs are run that are split in this way, and what comes of one that is left alone. */
async function undisturbed(split: 'frames' | 'segments', input: string) {
  const output = join(folder, `undisturbed-${split}.mp4`);
  const options = [...common, '--split', split];
  const { code, stderr } = await startJob(2, [input, output, ...options]).result;
  if (code !== 0) throw new Error(`the undisturbed run failed: ${stderr}`);
  return { split, input, options, expected: JSON.stringify(decodedFrames(output)) };
}

/** Waits a random while and kills; a job that is done by then counts as too late. */
async function disturb(job: RunningJob, output: string, kill: (typeof KILLS)[number]): Promise<void> {
  const done = await endWithin(job, 200 + random() * 3500);
  const ranks = await jobPids(output);
  const target = victim(kill, job, ranks, await ffmpegPids(output));
  if (done !== undefined || target === undefined) {
    tally.tooLate += 1;
    return;
  }
  try {
    process.kill(target, kill === 'TERM to mpirun' ? 'SIGTERM' : 'SIGKILL');
    tally.kills += 1;
  } catch {
    tally.tooLate += 1;
  }
}

function victim(
  kill: (typeof KILLS)[number],
  job: RunningJob,
  ranks: readonly number[],
  ffmpegs: readonly number[],
): number | undefined {
  switch (kill) {
    case 'a rank':
      return ranks[Math.floor(random() * ranks.length)];
    case 'the root':
      return ranks[0];
    case 'mpirun':
    case 'TERM to mpirun':
      return job.pid;
    case 'ffmpeg':
      return ffmpegs[Math.floor(random() * ffmpegs.length)];
  }
}

/** ffmpeg processes that are children of this job's ranks. */
async function ffmpegPids(output: string): Promise<readonly number[]> {
  const pids: number[] = [];
  for (const rank of await jobPids(output)) {
    const children = await fs.readFile(`/proc/${rank}/task/${rank}/children`, 'utf8').catch(() => '');
    pids.push(
      ...children
        .split(' ')
        .filter((word) => word !== '')
        .map(Number),
    );
  }
  return pids;
}

/** The frames that a run had encoded when it ended, earlier runs' included. */
function framesDone(stderr: string): number {
  return Number([...stderr.matchAll(/frame (\d+) is encoded/g)].at(-1)?.[1] ?? 0);
}
