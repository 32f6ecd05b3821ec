/** A short job is not held up by its checks: each run of ffmpeg or ffprobe takes longer to start than to do its part. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { makeClip } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { runJob } from '../fixtures/job.js';

t.setTimeout(1_800_000);

t.test('runs of ffmpeg and ffprobe in a job of one segment', async (t) => {
  const folder = t.testdir();
  const log = join(folder, 'log');
  const env: Record<string, string> = {};
  for (const program of ['ffmpeg', 'ffprobe']) {
    const script = join(folder, program);
    writeFileSync(script, `#!/bin/sh\necho ${program} >> "${log}"\nexec ${program} "$@"\n`);
    chmodSync(script, 0o755);
    env[`${program.toUpperCase()}_PATH`] = script;
  }
  const model = await identityModel(folder);
  for (const [kind, name, options, most] of [
    ['cfr', 'sound.mp4', [], 9],
    ['one-frame', 'silent.mp4', [], 8],
    ['cfr', 'h265.mp4', ['--codec', 'hevc'], 9],
    ['vfr-mkv', 'uneven.mkv', [], 9],
  ] as const) {
    writeFileSync(log, '');
    const job = [await makeClip(kind), join(folder, name), '--model', model, '--provider', 'cpu', ...options];
    const { code, stderr } = await runJob(0, job, { env });
    t.equal(code, 0, stderr);
    const runs = readFileSync(log, 'utf8').trim().split('\n');
    t.ok(runs.length <= most, `${name}: ${runs.length} runs, ${most} at most`);
    t.ok(runs.length > 4, 'and they were counted');
  }
});
