/** What befalls a job from outside: a full disk, a folder that goes, programs that are not there. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { makeClip } from '../fixtures/clips.js';
import { identityModel, slowModel } from '../fixtures/identity-model.js';
import { endWithin, ourLines, type RunResult, runJob, startJob } from '../fixtures/job.js';
import { runWithOwnMounts, withoutOwnMounts } from '../fixtures/own-mounts.js';
import { slowFfmpeg } from '../fixtures/slow-ffmpeg.js';

/** Asserts one clear message about `what`, and gives the lines. */
function oneError(t: Test, { code, stderr }: RunResult, what: RegExp): readonly string[] {
  const lines = ourLines(stderr);
  const errors = lines.filter((line) => line.startsWith('framescatter: error: '));
  t.equal(code, 1, stderr);
  t.equal(errors.length, 1, stderr);
  t.match(errors[0], what);
  t.notMatch(stderr, /internal error/);
  return lines;
}

t.test(
  'a full disk is an error with advice, and with room the same command goes on',
  { skip: withoutOwnMounts },
  async (t) => {
    const folder = t.testdir({ small: {} });
    const small = join(folder, 'small');
    const worker = new URL('./full-disk-worker.js', import.meta.url);
    // Lossless, so that what is written is larger than the file system.
    const job = [await makeClip('long-gop'), join(small, 'o.mp4'), '--model', await identityModel(folder)];
    const args = [small, ...job, '--crf', '0', '--segment-seconds', '0.4'];
    const { status, stdout, stderr } = runWithOwnMounts(worker, args);
    t.equal(status, 0, stderr);
    const { full, left, roomy, made } = JSON.parse(stdout);
    const lines = oneError(t, full, /No space left|ENOSPC/i);
    t.match(lines.at(-1), /make room/);
    t.same(left, ['o.mp4.framescatter'], 'the work so far, and no part of an output');
    t.equal(roomy.code, 0, roomy.stderr);
    t.match(roomy.stderr, /resuming after \d+ frames/);
    t.same(made, ['o.mp4']);
  },
);

t.test('a folder that goes while the job runs is an error, and the job can be run again', async (t) => {
  const folder = t.testdir({ gone: {} });
  const gone = join(folder, 'gone');
  const model = await slowModel(folder);
  const args = [await makeClip('long-gop'), join(gone, 'o.mp4'), '--model', model];
  const words = [...args, '--verbose', '--segment-seconds', '1.6'];
  const job = startJob(1, words, { env: slowFfmpeg(folder) });
  while (!/segment 0 is recorded/.test(job.stderr())) {
    if ((await endWithin(job, 20)) !== undefined) break;
  }
  await fs.rename(gone, join(folder, 'elsewhere'));
  const lines = oneError(t, await job.result, /gone/);
  t.match(lines.join('\n'), /put (?:it|the folder) back/);
  await fs.rename(join(folder, 'elsewhere'), gone);
  const again = await runJob(1, [...args, '--segment-seconds', '1.6']);
  t.equal(again.code, 0, again.stderr);
  t.match(again.stderr, /resuming after \d+ frames/);
  t.same(await fs.readdir(gone), ['o.mp4']);
});

t.test('without ffmpeg or ffprobe a job says what to install', async (t) => {
  const folder = t.testdir();
  const job = [await makeClip('cfr'), join(folder, 'o.mp4'), '--model', await identityModel(folder)];
  for (const missing of ['FFMPEG_PATH', 'FFPROBE_PATH']) {
    const result = await runJob(1, job, { env: { [missing]: join(folder, 'no-such-program') } });
    const lines = oneError(t, result, /cannot be started/);
    t.match(lines.at(-1), /Install FFmpeg/);
  }
  t.notOk((await fs.readdir(folder)).includes('o.mp4'));
});

t.test('a header that claims a billion frames is not believed', async (t) => {
  const folder = t.testdir();
  const model = await identityModel(folder);
  const bytes = Buffer.from(await fs.readFile(await makeClip('cfr')));
  // The sample count of the video's (first) time-to-sample table: ISO/IEC 14496-12, 8.6.1.2.
  const table = bytes.indexOf('stts') + 4;
  const frames = bytes.readUInt32BE(table + 8);
  bytes.writeUInt32BE(1_000_000_000, table + 8);
  const input = join(folder, 'claims.mp4');
  await fs.writeFile(input, bytes);
  const report = join(folder, 'report.json');
  const result = await runJob(1, [input, join(folder, 'o.mp4'), '--model', model, '--report', report]);
  t.equal(result.code, 0, result.stderr);
  t.equal(JSON.parse(await fs.readFile(report, 'utf8')).frames, frames, 'the frames that are there');
});
