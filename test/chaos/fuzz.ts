/**
 * Mutates clips, models and manifests and runs jobs on them. Every job must end by itself, either
 * successfully or with a non-zero exit code and one message, and leave nothing behind except the journal of
 * its work. Clips run on two ranks with `--split frames` and with `--split segments`: both must refuse it, or
 * return the same frames. `--cases N` (default 500), `--seed N`, `--from N`: a case depends only on seed and
 * number. Not a tap test: scripts/fuzz.sh runs it.
 */
import { rmSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, extname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { type ClipKind, makeClip } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import {
  decodedFrames,
  endWithin,
  jobPids,
  nothingLeft,
  ourLines,
  type RunResult,
  startJob,
} from '../fixtures/job.js';
import { randomNumbers } from '../fixtures/random.js';
import { signal } from './disturb.js';
import { type Below, mutant, scrambled } from './mutations.js';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '500' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    verbose: { type: 'boolean', default: false },
  },
});

/** The time limit, long for a clip of two seconds since the machine may be busy. */
const PATIENCE_MS = 300_000;
const CASES_A_SEED = 1_000_003;
const ODD_CLIPS: readonly ClipKind[] = [
  'cfr',
  'vfr-mkv',
  'late-ts',
  'edit-list',
  'rich',
  'one-frame',
  'rotated',
];
const TARGETS = ['clip', 'clip', 'clip', 'clip', 'odd clip', 'model', 'manifest'] as const;
const OUTPUT = 'out.mkv';

const folder = await fs.mkdtemp(join(tmpdir(), 'framescatter-fuzz-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const tally = { good: 0, refused: 0, wrong: 0, hung: 0, crashed: 0, leftOver: 0 };
const first = Number(values.from);
for (let number = first; number < first + Number(values.cases); number += 1) {
  const random = randomNumbers(Number(values.seed) * CASES_A_SEED + number);
  const complaint = await runCase(number, (limit) => Math.floor(random() * limit));
  if (complaint !== undefined) process.stdout.write(`case ${number} (seed ${values.seed}): ${complaint}\n`);
}
process.stdout.write(
  `${values.cases} cases: ${tally.good} succeeded, ${tally.refused} refused with a message, ${tally.wrong} wrong, ` +
    `${tally.hung} hung, ${tally.crashed} crashed, ${tally.leftOver} left over\n`,
);
process.exitCode = tally.wrong + tally.hung + tally.crashed + tally.leftOver === 0 ? 0 : 1;

interface Case {
  readonly what: string;
  readonly input: string;
  readonly model: string;
  /** The ranks and options of its runs, each in its own folder. */
  readonly runs: readonly (readonly [ranks: number, options: readonly string[]])[];
}

/** Runs the jobs on one mutated file. Returns the complaint about their ends, if any. */
async function runCase(number: number, below: Below): Promise<string | undefined> {
  const home = join(folder, String(number));
  await fs.mkdir(home);
  try {
    const { what, input, model, runs } = await makeCase(home, below);
    const common = ['--model', model, '--provider', 'cpu', '--codec', 'ffv1', '--segment-seconds', '0.4'];
    const ends = await Promise.all(
      runs.map(async ([ranks, options], run) => {
        const place = join(home, `run-${run}`);
        // A separate one: simultaneous launchers of Open MPI remove each other's session folder.
        const scratch = join(home, `tmp-${run}`);
        await Promise.all([place, scratch].map((one) => fs.mkdir(one)));
        return runOnce({ place, scratch }, ranks, [input, join(place, OUTPUT), ...common, ...options]);
      }),
    );
    const complaints = ends.flatMap(({ complaint }) => complaint ?? []);
    if (complaints.length === 0 && !agree(ends)) {
      tally.wrong += 1;
      complaints.push(`the runs differ: ${ends.map(({ code, said }) => `${code} ${said}`).join('; ')}`);
    }
    if (complaints.length > 0) return `${what}: ${complaints.join('; ')}`;
    if (ends.every(({ code }) => code === 0)) tally.good += 1;
    else tally.refused += 1;
    if (values.verbose)
      process.stdout.write(
        `case ${number}, ${what}: ${ends.map(({ code, said }) => `${code} ${said}`).join('; ')}\n`,
      );
    return undefined;
  } finally {
    await fs.rm(home, { recursive: true, force: true });
  }
}

async function makeCase(home: string, below: Below): Promise<Case> {
  const target = TARGETS[below(TARGETS.length)] ?? 'clip';
  const model = await identityModel(home);
  if (target === 'clip') {
    const { extension, what, bytes } = await mutant(below);
    const input = join(home, `in${extension}`);
    await fs.writeFile(input, bytes);
    const runs = ['frames', 'segments'].map((split) => [2, ['--split', split]] as const);
    return { what, input, model, runs };
  }
  const clip = await makeClip(ODD_CLIPS[below(ODD_CLIPS.length)] ?? 'cfr');
  const input = join(home, `in${extname(clip)}`);
  await fs.copyFile(clip, input);
  const file = { 'odd clip': input, model, manifest: model.replace(/onnx$/, 'json') }[target];
  await fs.writeFile(file, scrambled(await fs.readFile(file), below));
  const tolerant = below(2) === 0 ? ['--tolerant'] : [];
  return { what: `${target} of ${basename(clip)}`, input, model, runs: [[0, tolerant]] };
}

interface Ending {
  readonly code: number;
  /** Its error, if any. */
  readonly said: string;
  readonly output: string;
  readonly complaint?: string;
}

async function runOnce(
  { place, scratch }: { readonly place: string; readonly scratch: string },
  ranks: number,
  args: readonly string[],
): Promise<Ending> {
  const output = join(place, OUTPUT);
  const job = startJob(ranks, args, { env: { TMPDIR: scratch } });
  const ended = await endWithin(job, PATIENCE_MS);
  if (ended === undefined) {
    tally.hung += 1;
    for (const pid of [...(await jobPids(output)), job.pid]) signal(pid, 'SIGKILL');
    const { code, stderr } = await job.result;
    return { code, said: '', output, complaint: `hangs; ${stderr}` };
  }
  const { code, stderr } = ended;
  const errors = ourLines(stderr).filter((line) => line.startsWith('framescatter: error: '));
  const said = errors[0] ?? '';
  if (!spoken(ended, errors)) {
    tally.crashed += 1;
    return { code, said, output, complaint: `exit code ${code}; ${stderr}` };
  }
  const inScratch = (await fs.readdir(scratch)).filter((name) => name.startsWith('framescatter-'));
  const left = [...(await fs.readdir(place)), ...inScratch].filter(
    (name) => name !== `${OUTPUT}.framescatter`,
  );
  const expected = code === 0 ? [OUTPUT] : [];
  const runsOn = await nothingLeft(output, place).catch(({ message }: Error) => message);
  if (JSON.stringify(left) !== JSON.stringify(expected) || runsOn !== undefined) {
    tally.leftOver += 1;
    return { code, said, output, complaint: `exit code ${code} leaves ${left.join(', ')}${runsOn ?? ''}` };
  }
  return { code, said, output };
}

/** Returns true if a run has succeeded, or failed with one message and no sign of a crash. */
function spoken({ code, stderr }: RunResult, errors: readonly string[]): boolean {
  if (/^\s+at .*:\d+:\d+|internal error|Segmentation fault|terminate called/m.test(stderr)) return false;
  return code === 0 ? errors.length === 0 : [1, 2].includes(code) && errors.length === 1;
}

/** Returns true if all runs refused, or all returned the same frames at the same times. */
function agree(ends: readonly Ending[]): boolean {
  if (new Set(ends.map(({ code }) => code)).size > 1) return false;
  if (ends.length === 1 || ends[0]?.code !== 0) return true;
  return new Set(ends.map(({ output }) => JSON.stringify(decodedFrames(output)))).size === 1;
}
