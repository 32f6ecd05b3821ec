/**
 * Attacks the work folder of a job: kills the job right before a call that changes the disk, damages a file
 * of a stopped job, or starts several jobs at once on one output, on this host and others. No wrong output
 * may be published, the same command (with --restart if the journal is damaged) must finish the work, and
 * nothing may be left behind. `--cases N` (default 200), `--seed N`. Not a tap test: scripts/torture.sh runs
 * it, and CI runs a few cases.
 */
import { existsSync, rmSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fileDigest } from '../../src/system/file-digest.js';
import { makeClip } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { jobCommand, type RunResult, runJob, startCommand } from '../fixtures/job.js';
import { onHost, withoutOtherHosts } from '../fixtures/other-hosts.js';
import { randomNumbers } from '../fixtures/random.js';
import { scrambled } from './mutations.js';
import { complaintOf, foundOutput, leftBehind } from './verdict.js';

const { values } = parseArgs({
  options: { cases: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' } },
});
const random = randomNumbers(Number(values.seed));
const below = (limit: number): number => Math.floor(random() * limit);

/** The kinds of jobs, which differ in the files that they write. */
const VARIANTS = [[], ['--overwrite'], ['--split', 'segments'], ['--work-dir']] as const;
const ATTACKS = { crash, rot, rivals } as const;
const KINDS = ['crash', 'crash', 'rot', 'rivals'] as const;
const RIVALS = 4;
const KILLED = 128 + constants.signals.SIGKILL;
const CRASH = new URL('./crash-at.js', import.meta.url).href;
const OLD = 'an older output';

const folder = await fs.mkdtemp(join(tmpdir(), 'framescatter-torture-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const clip = await makeClip('open-gop');
const common = ['--model', await identityModel(folder), '--provider', 'cpu', '--segment-seconds', '4'];

interface Job {
  readonly place: string;
  readonly output: string;
  readonly work: string;
  readonly args: readonly string[];
  readonly variant: number;
}

const undisturbed: readonly { readonly digest: string; readonly calls: number }[] = await Promise.all(
  VARIANTS.map(async (_options, variant) => {
    const job = await begin(`undisturbed-${variant}`, variant);
    const counted = join(folder, `calls-${variant}`);
    const { code, stderr } = await run(job, { CRASH_COUNT: counted });
    if (code !== 0) throw new Error(stderr);
    return { digest: await fileDigest(job.output), calls: Number(await fs.readFile(counted, 'utf8')) };
  }),
);

const tally = { kills: 0, crash: 0, rot: 0, rivals: 0, wrong: 0, failed: 0, leftOver: 0 };
for (let number = 1; number <= Number(values.cases); number += 1) {
  const kind = KINDS[(number - 1) % KINDS.length] ?? 'crash';
  const job = await begin(String(number), below(VARIANTS.length));
  const complaints = await ATTACKS[kind](job);
  tally[kind] += 1;
  tally.failed += Math.min(1, complaints.length);
  const left = await leftBehind(job.place, job.output);
  if (left.length > 0) {
    tally.leftOver += 1;
    complaints.push(`left over: ${left.join(', ')}`);
  }
  if (!(await isRight(job))) {
    tally.wrong += 1;
    complaints.push('WRONG OUTPUT');
  }
  const what = `${kind} ${VARIANTS[job.variant]?.join(' ')}`;
  if (complaints.length > 0)
    process.stdout.write(`case ${number} (seed ${values.seed}), ${what}: ${complaints.join('; ')}\n`);
  await fs.rm(job.place, { recursive: true, force: true });
}
process.stdout.write(
  `${values.cases} cases: ${tally.kills} of ${tally.crash} crashes came, ${tally.rot} spoilt journals, ${tally.rivals} rivalries; ` +
    `${tally.wrong} wrong, ${tally.failed} failed, ${tally.leftOver} left over\n`,
);
process.exitCode = tally.kills > 0 && tally.wrong + tally.failed + tally.leftOver === 0 ? 0 : 1;

async function begin(name: string, variant: number): Promise<Job> {
  const place = join(folder, name);
  await fs.mkdir(place);
  const output = join(place, 'out.mp4');
  const options: readonly string[] = VARIANTS[variant] ?? [];
  if (options.includes('--overwrite')) await fs.writeFile(output, OLD);
  const apart = join(place, 'work');
  const [work, where] = options.includes('--work-dir')
    ? [apart, [...options, apart]]
    : [`${output}.framescatter`, options];
  return { place, output, work, args: [clip, output, ...common, ...where], variant };
}

function run({ args }: Job, env: NodeJS.ProcessEnv = {}, more: readonly string[] = []): Promise<RunResult> {
  const options = env.CRASH_AT || env.CRASH_COUNT ? { NODE_OPTIONS: `--import ${CRASH}` } : {};
  return runJob(0, [...args, ...more], { env: { ...env, ...options } });
}

async function isRight({ output, variant }: Job): Promise<boolean> {
  return existsSync(output) && (await fileDigest(output)) === undisturbed[variant]?.digest;
}

/** Checks the output: it must be missing, the previous file, or the complete new one. */
async function publishedWrong(job: Job): Promise<readonly string[]> {
  if (!existsSync(job.output) || (await isRight(job))) return [];
  return (await fs.readFile(job.output)).toString('latin1') === OLD ? [] : ['a wrong output is published'];
}

/** Runs an attacked job again: it must finish, or find its work done. */
async function finish(job: Job, more: readonly string[] = []): Promise<readonly string[]> {
  const there = await isRight(job);
  const again = await run(job, {}, more);
  const strange = complaintOf(again, false);
  if (strange !== undefined) return [strange];
  return again.code === 0 || (there && foundOutput(again)) ? [] : [`not done: ${again.code} ${again.stderr}`];
}

async function crash(job: Job): Promise<string[]> {
  const at = 1 + below(undisturbed[job.variant]?.calls ?? 1);
  if ((await run(job, { CRASH_AT: String(at) })).code === KILLED) tally.kills += 1;
  const found = [...(await publishedWrong(job)), ...(await finish(job))];
  return found.map((one) => `before call ${at}: ${one}`);
}

async function rot(job: Job): Promise<string[]> {
  // Its last calls remove the work, so this stops somewhere before them.
  const calls = undisturbed[job.variant]?.calls ?? 1;
  await run(job, { CRASH_AT: String(Math.ceil((calls * (2 + below(5))) / 10)) });
  const names = (await fs.readdir(job.work, { recursive: true, withFileTypes: true }).catch(() => []))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const spoilt = names[below(names.length)];
  if (spoilt !== undefined) await fs.writeFile(spoilt, scrambled(await fs.readFile(spoilt), below));
  const first = await run(job);
  const found = [...(await publishedWrong(job))];
  if (/internal error/.test(first.stderr)) found.push(first.stderr);
  if (first.code !== 0) {
    // It is refused with one message; --restart discards what cannot be used.
    if (first.code !== 1 || !/framescatter: error: /.test(first.stderr))
      found.push(`${first.code} ${first.stderr}`);
    found.push(...(await finish(job, ['--restart'])));
  }
  return found.map((one) => `${spoilt ?? 'nothing'} spoilt: ${one}`);
}

async function rivals(job: Job): Promise<string[]> {
  const commands = Array.from({ length: RIVALS }, (_, rival) =>
    withoutOtherHosts || below(2) === 0
      ? jobCommand(0, job.args)
      : onHost(`host-${rival}`, jobCommand(0, job.args)),
  );
  const ends = await Promise.all(commands.map((command) => startCommand(command).result));
  const done = ends.filter(({ code }) => code === 0).length;
  const found = ends.flatMap((end) => complaintOf(end, false) ?? []);
  // With --overwrite, a job that starts after the first has ended writes the output again.
  const most = job.args.includes('--overwrite') ? RIVALS : 1;
  if (done < 1 || done > most) found.push(`${done} of ${RIVALS} rivals succeeded`);
  return [...found, ...(await publishedWrong(job))];
}
