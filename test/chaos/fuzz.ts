/**
 * Mutates valid clips, models and manifests and runs a job on each: every case must end by itself within 20 seconds, either
 * well or with a non-zero exit and a message without a stack trace, and leave nothing behind but, where work was done,
 * its journal. `--cases N` (default 500), `--seed N`. Not a tap test: scripts/fuzz.sh runs it.
 */
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, extname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { type ClipKind, makeClip } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { codecProcesses, endWithin, ourLines, startJob } from '../fixtures/job.js';
import { randomNumbers } from '../fixtures/random.js';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '500' },
    seed: { type: 'string', default: '1' },
    verbose: { type: 'boolean', default: false },
  },
});
const random = randomNumbers(Number(values.seed));
const below = (limit: number): number => Math.floor(random() * limit);

const PATIENCE_MS = 20_000;
const CLIPS: readonly ClipKind[] = [
  'cfr',
  'b-frames',
  'vfr-mkv',
  'late-ts',
  'edit-list',
  'rich',
  'one-frame',
  'rotated',
];
const TARGETS = ['clip', 'clip', 'clip', 'model', 'manifest'] as const;

const folder = await fs.mkdtemp(join(tmpdir(), 'framescatter-fuzz-'));
process.on(
  'exit',
  () => void import('node:fs').then(({ rmSync }) => rmSync(folder, { recursive: true, force: true })),
);

const tally = { good: 0, refused: 0, hung: 0, crashed: 0, untidy: 0 };
for (let number = 1; number <= Number(values.cases); number += 1) {
  const complaint = await runCase(number);
  if (complaint !== undefined) process.stdout.write(`case ${number} (seed ${values.seed}): ${complaint}\n`);
}
process.stdout.write(
  `${values.cases} cases: ${tally.good} ended well, ${tally.refused} refused with a message, ` +
    `${tally.hung} hung, ${tally.crashed} crashed or spoke in stack traces, ${tally.untidy} left something behind\n`,
);
process.exitCode = tally.hung + tally.crashed + tally.untidy === 0 ? 0 : 1;

/** One mutated job. Gives what is wrong with how it ended, if anything. */
async function runCase(number: number): Promise<string | undefined> {
  const home = join(folder, String(number));
  await fs.mkdir(home);
  const target = TARGETS[below(TARGETS.length)] ?? 'clip';
  const clip = await makeClip(CLIPS[below(CLIPS.length)] ?? 'cfr');
  const input = join(home, `in${extname(clip)}`);
  await fs.copyFile(clip, input);
  const model = await identityModel(home);
  await mutate(target === 'clip' ? input : target === 'model' ? model : model.replace(/onnx$/, 'json'));

  const output = join(home, 'out.mkv');
  const tolerant = below(2) === 0 ? ['--tolerant'] : [];
  const job = startJob(0, [input, output, '--model', model, '--preset', 'ultrafast', ...tolerant]);
  const ended = await endWithin(job, PATIENCE_MS);
  try {
    const what = `${target} of ${basename(clip)}`;
    if (ended === undefined) {
      tally.hung += 1;
      process.kill(-job.pid, 'SIGKILL');
      return `${what}: hangs; ${job.stderr()}`;
    }
    const errors = ourLines(ended.stderr).filter((line) => line.startsWith('framescatter: error: '));
    const spoken =
      ended.code === 0 ? errors.length === 0 : [1, 2].includes(ended.code) && errors.length === 1;
    if (!spoken || /^\s+at .*:\d+:\d+/m.test(ended.stderr) || /internal error/.test(ended.stderr)) {
      tally.crashed += 1;
      return `${what}: exit code ${ended.code}; ${ended.stderr}`;
    }
    const left = (await fs.readdir(home)).filter(
      (name) =>
        !['in', 'identity', 'out.mkv.framescatter'].includes(name.replace(/^(in|identity)\..*/, '$1')),
    );
    const expected = ended.code === 0 ? ['out.mkv'] : [];
    if (JSON.stringify(left) !== JSON.stringify(expected) || codecProcesses(home).length > 0) {
      tally.untidy += 1;
      return `${what}: exit code ${ended.code} leaves ${left.join(', ')}`;
    }
    if (ended.code === 0) tally.good += 1;
    else tally.refused += 1;
    if (values.verbose) process.stdout.write(`case ${number}, ${what}: ${ended.code} ${errors[0] ?? ''}\n`);
    return undefined;
  } finally {
    await fs.rm(home, { recursive: true, force: true });
  }
}

/** Changes a file: bytes flipped, runs overwritten, cut out, doubled, or the end cut off. */
async function mutate(path: string): Promise<void> {
  let bytes: Buffer = await fs.readFile(path);
  // Half of the cases keep every byte in its place, so that they come past the headers.
  const kinds = below(2) === 0 ? 2 : 5;
  for (let i = 0, changes = 1 + below(4); i < changes && bytes.length > 1; i += 1) {
    const at = below(bytes.length);
    const length = Math.min(bytes.length - at, 1 + below(64));
    switch (below(kinds)) {
      case 0:
        bytes[at] = below(256);
        break;
      case 1:
        bytes.fill(below(256), at, at + length);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
        break;
      case 4:
        if (i === 0) bytes = bytes.subarray(0, at);
        break;
    }
  }
  await fs.writeFile(path, bytes);
}
