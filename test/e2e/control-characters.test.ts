/** Names that hold a terminal's commands and line ends: nothing that is printed or kept for people to read has them. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { encodeModel } from '../../src/model/graph/onnx.js';
import { packageRoot } from '../../src/system/package.js';
import { makeClip } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { MPI_ENVIRONMENT, runJob } from '../fixtures/job.js';

t.setTimeout(1_800_000);

const MAIN = join(packageRoot(), 'dist', 'main.js');
const FORGED = 'framescatter: error: forged';
/** Clears the screen, begins a line of the log, sets the colour by C1, and turns the text after it round. */
const HOSTILE = `evil\x1b[2J\n${FORGED}\x9b31m\u202e`;
const ESCAPED = `evil\\x1b[2J\\n${FORGED}\\x9b31m\\u202e`;

function main(args: readonly string[], cwd: string) {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', cwd, env: MPI_ENVIRONMENT });
}

function expectPrintable(t: Test, text: string) {
  t.notMatch(text, /[^\P{Cc}\n]|[\u2028\u2029\u202a-\u202e\u2066-\u2069]/u, 'no control characters');
  t.notMatch(text, new RegExp(`^${FORGED}`, 'm'), 'no line but ours');
}

t.test('job, probe, doctor and usage errors', async (t) => {
  const folder = t.testdir();
  const input = `${HOSTILE}.mp4`;
  await fs.copyFile(await makeClip('one-frame'), join(folder, input));
  await fs.writeFile(join(folder, `bad ${input}`), 'no video');
  const model = await identityModel(folder);
  const words = ['--model', model, '--provider', 'cpu', '--verbose'];

  for (const format of ['text', 'json']) {
    const log = ['--log-format', format];
    const good = await runJob(0, [input, `out ${input}`, ...words, ...log, '--overwrite'], { cwd: folder });
    t.equal(good.code, 0, good.stderr);
    expectPrintable(t, good.stderr);
    const bad = await runJob(2, [`bad ${input}`, `other ${input}`, ...words, ...log], { cwd: folder });
    t.equal(bad.code, 1);
    expectPrintable(t, bad.stderr);
    if (format === 'text') t.ok(bad.stderr.includes(ESCAPED), 'the name can be read');
  }
  for (const args of [
    ['probe', input],
    ['probe', '--json', input],
    ['probe', `bad ${input}`],
    ['probe', `no ${input}`],
    [input, 'out.mp4', `--${HOSTILE}`],
    [input, 'out.mp4', '--codec', HOSTILE],
    [input, 'out.mp4', '--model', HOSTILE],
    ['submit', 'slurm', input, 'out.mp4', '--dry-run'],
    ['retry', '0', '--', HOSTILE],
  ]) {
    const { stdout, stderr, status } = main(args, folder);
    t.ok([0, 1, 2].includes(status ?? -1), args.join(' '));
    t.ok(`${stdout}${stderr}`.includes('evil'), `it tells the name: ${stdout}${stderr}`);
    expectPrintable(t, stdout);
    expectPrintable(t, stderr);
  }
  t.equal(JSON.parse(main(['probe', '--json', input], folder).stdout).source.path, input);
  t.ok(main(['job', '--help'], folder).stdout.split('\n').length > 40, 'help still has many lines');
  const doctor = spawnSync(process.execPath, [MAIN, 'doctor'], {
    encoding: 'utf8',
    env: { ...MPI_ENVIRONMENT, FFMPEG_PATH: `/none/${HOSTILE}` },
  });
  t.equal(doctor.status, 1);
  expectPrintable(t, doctor.stdout);
  t.ok(doctor.stdout.includes(ESCAPED));
});

t.test('a model whose operators and tensors are called so', async (t) => {
  const folder = t.testdir();
  const model = await identityModel(folder);
  const value = { name: HOSTILE, type: { tensorType: { elemType: 1, shape: { dim: [] } } } };
  const node = [{ opType: HOSTILE, input: [HOSTILE], output: ['output'], name: HOSTILE, domain: HOSTILE }];
  const graph = { name: HOSTILE, node, input: [value], output: [{ ...value, name: 'output' }] };
  await fs.writeFile(model, encodeModel({ irVersion: 8, opsetImport: [{ domain: '', version: 17 }], graph }));
  const words = ['--model', model, '--provider', 'cpu', '--verbose'];
  const { code, stderr } = await runJob(0, [await makeClip('one-frame'), join(folder, 'o.mp4'), ...words]);
  t.equal(code, 1, stderr);
  t.ok(stderr.includes('evil'), stderr);
  expectPrintable(t, stderr);
});

t.test('watch: its log, its record of the video and the note beside the outputs', async (t) => {
  const folder = t.testdir({ in: {}, out: {} });
  const name = `${HOSTILE}.mp4`;
  await fs.writeFile(join(folder, 'in', name), 'no video');
  const words = ['--model', await identityModel(folder), '--provider', 'cpu'];
  const { status, stderr } = main(
    ['watch', 'in', '--out', 'out', '--once', '--poll', '1', '--tries', '1', '--', ...words],
    folder,
  );
  t.equal(status, 1, stderr);
  t.ok(stderr.includes(`${ESCAPED}.mp4 is set aside`), stderr);
  expectPrintable(t, stderr);
  const state = join(folder, 'out', '.framescatter-watch');
  const records = (await fs.readdir(state)).filter((entry) => entry.endsWith('.json'));
  const notes = [join(state, records[0] ?? ''), join(folder, 'out', `${name}.failed.json`)];
  for (const file of notes) {
    const text = await fs.readFile(file, 'utf8');
    expectPrintable(t, text);
    const note = JSON.parse(text);
    t.equal(note.video, name, 'the name itself is kept');
    t.ok(note.reason.includes(ESCAPED), note.reason);
    expectPrintable(t, note.reason.replaceAll('\n', '\r'));
  }
});
