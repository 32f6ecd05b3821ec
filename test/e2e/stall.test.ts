/** Jobs that stand still: a rank, a decoder or an encoder that is stopped, a model that never ends. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { makeClip } from '../fixtures/clips.js';
import { endlessModel, slowModel } from '../fixtures/identity-model.js';
import {
  decodedFrames,
  jobPids,
  nothingLeft,
  ourLines,
  type RunningJob,
  runJob,
  startJob,
} from '../fixtures/job.js';
import { processesWith, runs, stop } from '../fixtures/processes.js';
import { until } from '../fixtures/until.js';

t.setTimeout(1_800_000);

interface Frozen {
  readonly job: RunningJob;
  readonly output: string;
  readonly args: readonly string[];
  /** What was stopped. */
  readonly pid: number;
}

/** A job that has done a segment, of which what `victim` gives is then stopped. */
async function freeze(
  t: Test,
  ranks: number,
  options: readonly string[],
  victim: (output: string) => Promise<number | undefined>,
  env: NodeJS.ProcessEnv = {},
): Promise<Frozen> {
  const folder = t.testdir();
  const output = join(folder, 'o.mkv');
  const model = ['--model', await slowModel(folder), '--provider', 'cpu'];
  const coding = ['--codec', 'ffv1', '--segment-seconds', '2', ...options];
  const args = [await makeClip('long-ts'), output, ...model, ...coding];
  const job = startJob(ranks, args, { env });
  const work = `${output}.framescatter`;
  await until('a segment', async () => existsSync(join(work, 'segment-000000.json')));
  let pid = 0;
  await until('what is to be stopped', async () => {
    pid = (await victim(output)) ?? 0;
    return pid !== 0 && (await stop(pid)); // an encoder may end before: then the next one
  });
  return { job, output, args, pid };
}

/** A stopped process does not see that it is to end. */
async function gone(pid: number): Promise<void> {
  await until('its end', async () => !runs(pid));
}

async function resumed(t: Test, { args, output }: Frozen): Promise<void> {
  const again = await runJob(0, args);
  t.equal(again.code, 0, again.stderr);
  t.match(again.stderr, /resuming after \d+ frames/);
  t.equal(decodedFrames(output).length, 100);
}

/** Open MPI as between hosts, where what ranks tell of themselves is read like any data. */
const OVER_TCP = { OMPI_MCA_pml: 'ob1', OMPI_MCA_btl: 'tcp,self', OMPI_MCA_reachable: '^netlink' };

t.test('a rank that is stopped: said after half the time, ended after it, and resumed', async (t) => {
  const options = ['--stall-timeout', '10', '--threads', '1'];
  const victim = async (output: string) => (await jobPids(output))[5];
  const frozen = await freeze(t, 6, options, victim, OVER_TCP);
  const { code, stderr } = await frozen.job.result;
  t.equal(code, 75, stderr);
  const lines = ourLines(stderr).join('\n');
  t.match(lines, /warning: no progress for 5 s: rank \d on .+ has not answered for \d+ s$/m);
  t.match(lines, /error: no progress for 10 s: rank \d on .+ has not answered for \d+ s$/m);
  await gone(frozen.pid);
  await nothingLeft(frozen.output);
  await resumed(t, frozen);
});

t.test('a decoder or an encoder that is stopped', async (t) => {
  const clip = await makeClip('long-ts');
  const ffmpegOf = (text: string): number | undefined =>
    processesWith(text).find(({ program }) => program.endsWith('ffmpeg'))?.pid;
  const decoder = async () => ffmpegOf(clip);
  const encoder = async (output: string) => ffmpegOf(output);
  for (const [victim, words] of [
    [decoder, /rank 0 on \S+ waits for ffmpeg to decode frame \d+ of this run/],
    [encoder, /rank 0 on \S+ waits for ffmpeg to encode frame \d+ of this run/],
  ] as const) {
    const frozen = await freeze(t, 0, ['--stall-timeout', '6'], victim);
    const { code, stderr } = await frozen.job.result;
    t.equal(code, 75, stderr);
    t.match(stderr, words);
    await gone(frozen.pid);
    await resumed(t, frozen);
  }
});

t.test('what is stopped and goes on changes nothing', async (t) => {
  const frozen = await freeze(t, 2, ['--stall-timeout', '60'], async (output) => (await jobPids(output))[1]);
  process.kill(frozen.pid, 'SIGCONT');
  const { code, stderr } = await frozen.job.result;
  t.equal(code, 0, stderr);
  const whole = join(t.testdirName, 'whole.mkv');
  const again = await runJob(0, frozen.args.with(1, whole));
  t.equal(again.code, 0, again.stderr);
  t.same(decodedFrames(frozen.output), decodedFrames(whole));
});

t.test('segments: what a stopped rank holds is made by others, and the output is the same', async (t) => {
  const options = ['--split', 'segments', '--stall-timeout', '8'];
  const frozen = await freeze(t, 3, options, async (output) => (await jobPids(output))[2]);
  const { code, stderr } = await frozen.job.result;
  t.equal(code, 0, stderr);
  t.match(stderr, /warning: rank \d on .+ has stalled; the job continues without it/);
  await gone(frozen.pid);
  const whole = join(t.testdirName, 'whole.mkv');
  const again = await runJob(0, frozen.args.with(1, whole));
  t.equal(again.code, 0, again.stderr);
  t.same(decodedFrames(frozen.output), decodedFrames(whole));
  t.notOk(existsSync(`${frozen.output}.framescatter`), 'nothing is left');
});

t.test('a model that never ends is told from a job that can be resumed', async (t) => {
  const folder = t.testdir();
  const output = join(folder, 'o.mkv');
  const args = [await makeClip('cfr'), output, '--model', await endlessModel(folder), '--provider', 'cpu'];
  for (const ranks of [0, 2]) {
    const { code, stderr } = await runJob(ranks, [...args, '--stall-timeout', '5']);
    t.equal(code, 1, stderr);
    t.match(stderr, /no progress for 5 s: rank \d on \S+ makes the trial run of the model/);
    t.notOk(existsSync(output));
  }
});
