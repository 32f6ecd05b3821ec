/** Jobs that are killed while their output is put together, or right after it was put in place. */
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { makeClip } from '../fixtures/clips.js';
import { identityModel, slowModel } from '../fixtures/identity-model.js';
import { decodedFrames, jobPids, ourLines, runJob, startJob } from '../fixtures/job.js';
import { runs } from '../fixtures/processes.js';
import { until } from '../fixtures/until.js';

t.setTimeout(1_800_000);

/**
 * An ffmpeg that is slow to put the first output together: when its input ends it waits until `go` is there, and writes rubbish
 * over the file that it was told to write. `adopted`: nothing shows who its parent was.
 */
async function slowMuxer(folder: string, adopted: boolean): Promise<string> {
  const program = join(folder, 'ffmpeg');
  const orphan = `echo $$ >"$0/muxing"; cat >/dev/null; while [ ! -e "$0/go" ]; do sleep 0.05; done
    head -c 3000000 /dev/urandom >"$1"; echo >"$0/spoilt"`;
  const script = `#!/bin/bash
last=\${!#}
case "$last" in
  file:*-output.*) [ -e ${folder}/muxing ] || exec ${adopted ? 'env -u FRAMESCATTER_PARENT ' : ''}bash -c '${orphan}' ${folder} "\${last#file:}" ;;
esac
exec ffmpeg "$@"
`;
  await fs.writeFile(program, script, { mode: 0o755 });
  return program;
}

t.test('what a killed job leaves running spoils nothing of the next run, and is ended', async (t) => {
  const clip = await makeClip('cfr');
  for (const adopted of [true, false]) {
    for (const extension of ['mov', 'mkv']) {
      await t.test(`${extension}, ${adopted ? 'unknown whose it is' : 'known whose it is'}`, async (t) => {
        const folder = t.testdir();
        const output = join(folder, `o.${extension}`);
        const args = [clip, output, '--model', await identityModel(folder), '--provider', 'cpu'];
        const env = { FFMPEG_PATH: await slowMuxer(folder, adopted) };
        const job = startJob(0, args, { env });
        const at = (name: string): string => join(folder, name);
        await until('the mux', async () => (await fs.readFile(at('muxing'), 'utf8').catch(() => '')) !== '');
        const orphan = Number(await fs.readFile(at('muxing'), 'utf8'));
        for (const pid of await jobPids(output)) process.kill(pid, 'SIGKILL');
        await job.result;
        // The start of any job, of other tests too, ends a child that is known to be a dead one's.
        if (adopted) t.ok(runs(orphan), 'it outlives its job');
        const again = startJob(0, args, { env });
        if (adopted) await fs.writeFile(at('go'), '');
        const { code, stderr } = await again.result;
        t.equal(code, 0, stderr);
        if (adopted) await until('the rubbish', async () => existsSync(at('spoilt')));
        await until('its end', async () => !runs(orphan));
        t.notOk(runs(orphan));
        t.equal(decodedFrames(output).length, decodedFrames(clip).length, 'every frame can be decoded');
        t.notOk(existsSync(`${output}.framescatter`), 'nothing is left');
      });
    }
  }
});

t.test(
  'a job that was killed when its output was in place is done: its work is removed, with 0',
  async (t) => {
    const folder = t.testdir();
    const output = join(folder, 'o.mp4');
    const work = `${output}.framescatter`;
    const clip = await makeClip('long-gop');
    const common = [clip, output, '--model', await slowModel(folder), '--provider', 'cpu'];
    const args = [...common, '--crf', '30'];
    const job = startJob(0, args);
    await until('the journal', async () => existsSync(join(work, 'journal.json')));
    // A job removes no folder of such a name, so it leaves its work as a kill would.
    await fs.mkdir(join(work, 'segment-000099.nut'));
    const first = await job.result;
    t.equal(first.code, 0, first.stderr);
    t.match(first.stderr, /cannot be removed/);
    await fs.rmdir(join(work, 'segment-000099.nut'));
    const left = await fs.readdir(work);
    const { ino, mtimeMs } = await fs.stat(output);

    const other = await runJob(0, [...common, '--crf', '31']);
    t.equal(other.code, 1, 'another job than the one that made it');
    t.match(ourLines(other.stderr).join(), /the output exists/);
    t.same(await fs.readdir(work), left, 'it removes nothing');
    for (const ranks of [0, 2]) {
      await t.test(`on ${ranks} ranks`, async (t) => {
        if (ranks > 0) await fs.cp(join(folder, 'kept'), work, { recursive: true });
        else await fs.cp(work, join(folder, 'kept'), { recursive: true });
        const again = await runJob(ranks, ranks > 0 ? [...args, '--overwrite'] : args);
        t.equal(again.code, 0, again.stderr);
        t.match(again.stderr, /o\.mp4 is complete: an earlier run published it/);
        t.notOk(existsSync(work), 'nothing is left');
        t.match(await fs.stat(output), { ino, mtimeMs }, 'the output is the one that was there');
      });
    }

    await fs.mkdir(join(work, 'scratch'), { recursive: true });
    const after = await runJob(0, args);
    t.equal(after.code, 1);
    t.match(after.stderr, /the output exists/);
    t.notOk(existsSync(work), 'an empty work folder is removed');

    await fs.cp(join(folder, 'kept'), work, { recursive: true });
    await sleep(5);
    await fs.appendFile(output, 'x');
    const changed = await runJob(0, args);
    t.equal(changed.code, 1, 'an output that is not the one which was put there');
    t.match(changed.stderr, /the output exists/);
  },
);
