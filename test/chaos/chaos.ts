/**
 * Disturbs jobs and resumes them until they are done: with kills, SIGHUP, frozen processes and takeovers,
 * during the work and while the output is muxed and published. The output must be bit-identical to that of an
 * undisturbed run, every run must end in a permitted way, and nothing may be left behind. `--rounds N`
 * (default 50), `--seed N`. Not a tap test: scripts/chaos.sh runs it, and CI runs a few rounds.
 */
import { existsSync, rmSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fileDigest } from '../../src/system/file-digest.js';
import { makeClip } from '../fixtures/clips.js';
import { slowModel } from '../fixtures/identity-model.js';
import { decodedFrames, endWithin, jobPids, startJob } from '../fixtures/job.js';
import { withoutOtherHosts } from '../fixtures/other-hosts.js';
import { randomNumbers } from '../fixtures/random.js';
import { DISTURBANCES, disturb, type Moment, type Surroundings, signal } from './disturb.js';
import { frozenElsewhere, frozenHere, type Outcome, type Work } from './takeover.js';
import { complaintOf, foundOutput, leftBehind, type Tally } from './verdict.js';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '50' }, seed: { type: 'string', default: '1' } },
});
const random = randomNumbers(Number(values.seed));
const pick = <T>(items: readonly [T, ...T[]]): T => items[Math.floor(random() * items.length)] ?? items[0];

const RANKS = [1, 2, 3, 8] as const;
/** The kinds of rounds; each occurs once per cycle. */
const PLANS = ['at work', 'assembling', 'frozen', 'at work', 'publishing', 'taken over'] as const;
/** The time limit of a run. */
const PATIENCE_MS = 300_000;
/** The number of disturbances before a round may finish. */
const DISTURBED_RUNS = 2;
/** The ranks of a killed launcher may go on briefly, so this many runs may be refused. */
const MOST_RUNS = 20;

const tally: Tally = {
  ...{ kills: 0, freezes: 0, tooLate: 0, lost: 0 },
  ...{ wrong: 0, hung: 0, crashed: 0, leftOver: 0 },
};
const surroundings: Surroundings = { random, tally };

const folder = await fs.mkdtemp(join(tmpdir(), 'framescatter-chaos-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const scratch = join(folder, 'tmp');
await fs.mkdir(scratch);
const model = await slowModel(folder);
const common = ['--model', model, '--segment-seconds', '0.8', '--verbose', '--provider', 'cpu'];
const modes = [
  await undisturbed('frames', await makeClip('long-gop')),
  await undisturbed('segments', await makeClip('open-gop')),
] as const;

for (let round = 1; round <= Number(values.rounds); round += 1) {
  const mode = pick(modes);
  const place = join(folder, `round-${round}`);
  await fs.mkdir(place);
  const output = join(place, 'out.mp4');
  const args = [mode.input, output, ...mode.options];
  const { story, complaint } = await play(PLANS[(round - 1) % PLANS.length] ?? 'at work', {
    ...{ args, output, env: { TMPDIR: scratch }, patience: PATIENCE_MS },
  });
  const complaints = complaint === undefined ? [] : [complaint];
  if (complaint !== undefined) tally.crashed += 1;
  const left = await leftBehind(place, output);
  if (left.length > 0) {
    tally.leftOver += 1;
    complaints.push(`left over: ${left.join(', ')}`);
  }
  if (!existsSync(output) || (await fileDigest(output)) !== mode.digest) {
    tally.wrong += 1;
    const same = existsSync(output) && JSON.stringify(decodedFrames(output)) === mode.frames;
    complaints.push(same ? 'other bytes, with the same frames' : 'WRONG OUTPUT');
  }
  const verdict = complaints.length === 0 ? 'equal' : complaints.join('; ');
  process.stdout.write(`round ${round} (seed ${values.seed}), ${mode.split}: ${story} | ${verdict}\n`);
  await fs.rm(place, { recursive: true, force: true });
}

await removeScratchOfKilled();
const survived = tally.kills + tally.freezes;
process.stdout.write(
  `${values.rounds} rounds: ${tally.kills} kills, ${tally.freezes} freezes, ${tally.tooLate} too late, ` +
    `${tally.lost} recorded frames lost, ${tally.wrong} wrong, ${tally.hung} hung, ` +
    `${tally.crashed} crashed, ${tally.leftOver} left over\n`,
);
const faults = tally.lost + tally.wrong + tally.hung + tally.crashed + tally.leftOver;
process.exitCode = faults === 0 && survived > 0 ? 0 : 1;

/** The options of jobs with this kind of split, and the output of an undisturbed one. */
async function undisturbed(split: 'frames' | 'segments', input: string) {
  const output = join(folder, `undisturbed-${split}.mp4`);
  const options = [...common, '--split', split];
  const { code, stderr } = await startJob(2, [input, output, ...options]).result;
  if (code !== 0) throw new Error(`the undisturbed run failed: ${stderr}`);
  const frames = JSON.stringify(decodedFrames(output));
  return { split, input, options, frames, digest: await fileDigest(output) };
}

function play(plan: (typeof PLANS)[number], work: Work): Promise<Outcome> {
  switch (plan) {
    case 'frozen':
      return frozenHere(pick([1, 2]), work, surroundings);
    case 'taken over':
      return withoutOtherHosts ? disturbed('at work', work) : frozenElsewhere(work, surroundings);
    default:
      return disturbed(plan, work);
  }
}

/** Runs a job until it is done, and disturbs its first runs. */
async function disturbed(moment: Moment, { args, output, env, patience }: Work): Promise<Outcome> {
  const story: string[] = [];
  let complaint: string | undefined;
  const recorded = new Map<string, number>();
  for (let run = 0; run < MOST_RUNS; run += 1) {
    const there = existsSync(output);
    const ranks = pick(RANKS);
    const job = startJob(ranks, args, { env });
    const disturbance = run < DISTURBED_RUNS ? pick(DISTURBANCES[moment]) : undefined;
    if (disturbance !== undefined) await disturb(job, output, moment, disturbance, surroundings);
    let ended = await endWithin(job, patience);
    if (ended === undefined) {
      tally.hung += 1;
      for (const pid of [...(await jobPids(output)), job.pid]) signal(pid, 'SIGKILL');
      ended = await job.result;
      complaint ??= `a run hung: ${ended.stderr}`;
    }
    complaint ??= complaintOf(ended, disturbance !== undefined);
    const resumed = /resuming after (\d+) frames/.exec(ended.stderr)?.[1];
    const before = [...recorded.values()].reduce((sum, frames) => sum + frames, 0);
    if (resumed !== undefined) tally.lost += Math.max(0, before - Number(resumed));
    for (const [index, frames] of recordedIn(ended.stderr)) recorded.set(index, frames);
    const how = disturbance === undefined ? '' : `, ${disturbance.how} ${disturbance.target} ${moment}`;
    story.push(`${ranks} ranks${how}: ${ended.code}`);
    if (ended.code === 0 || (there && foundOutput(ended))) return { story: story.join(' | '), complaint };
  }
  return { story: story.join(' | '), complaint: complaint ?? 'it never ended well' };
}

/** Returns the frames of each segment that a run recorded, by its log. */
function recordedIn(stderr: string): readonly (readonly [index: string, frames: number])[] {
  const lines = stderr.matchAll(/segment (\d+) is recorded: frames? (\d+)(?: to (\d+))?/g);
  return [...lines].map(([, index = '', first, last = first]) => [index, Number(last) - Number(first) + 1]);
}

/** Files of killed processes in TMPDIR are removed when the next process creates a scratch folder there. */
async function removeScratchOfKilled(): Promise<void> {
  const { code, stderr } = await startJob(0, ['probe', modes[0].input], { env: { TMPDIR: scratch } }).result;
  const left = (await fs.readdir(scratch)).filter((name) => name.startsWith('framescatter-'));
  if (code === 0 && left.length === 0) return;
  tally.leftOver += 1;
  process.stdout.write(`left in TMPDIR: ${left.join(', ')} ${stderr}\n`);
}
