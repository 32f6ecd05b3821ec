/** OUTPUT as a folder, and folders that --mkdir makes. */
import { readdir, readFile, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import t from 'tap';
import { makeClip } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { decodedFrames, runJob } from '../fixtures/job.js';
import { modelFolder, pictureIdentity } from '../fixtures/onnx.js';
import { writePhotos } from '../fixtures/photos.js';

const FAST = ['--preset', 'ultrafast', '--progress', 'never'];

t.test('in a folder the output has the name of its input, on any rank', async (t) => {
  const folder = t.testdir({ out: {} });
  const [clip, model] = [await makeClip('cfr'), await identityModel(folder)];
  const name = basename(clip);
  const job = [clip, join(folder, 'out'), '--model', model, ...FAST];
  const { code, stderr } = await runJob(2, job);
  t.equal(code, 0, stderr);
  t.same(await readdir(join(folder, 'out')), [name]);
  t.equal(decodedFrames(join(folder, 'out', name)).length, 25);

  const again = await runJob(0, job);
  t.equal(again.code, 1);
  t.match(again.stderr, /exists/, 'a finished output is not replaced');
});

t.test('an output in a folder is never its own input', async (t) => {
  const folder = t.testdir({ in: {} });
  const clip = join(folder, 'in', 'a.mp4');
  await symlink(await makeClip('cfr'), clip);
  const before = await readFile(clip);
  const { code, stderr } = await runJob(0, [clip, join(folder, 'in'), '--overwrite']);
  t.equal(code, 1);
  t.match(stderr, /the output is the input/);
  t.same(await readFile(clip), before);
});

t.test('--mkdir makes folders that are missing; without it the hint says so', async (t) => {
  const folder = t.testdir();
  const [clip, model] = [await makeClip('cfr'), await identityModel(folder)];
  const report = join(folder, 'reports', 'r.json');
  for (const output of ['new/out.mp4', 'new/']) {
    const { code, stderr } = await runJob(2, [clip, join(folder, output), '--model', model]);
    t.equal(code, 1, stderr);
    t.match(stderr, /the folder of the output does not exist: .*new[\s\S]*--mkdir/);
  }
  const job = [clip, `${join(folder, 'a', 'b')}/`, '--model', model, '--report', report, ...FAST];
  const made = await runJob(2, [...job, '--mkdir']);
  t.equal(made.code, 0, made.stderr);
  t.equal((await readdir(join(folder, 'a', 'b'))).length, 1);
  t.equal(JSON.parse(await readFile(report, 'utf8')).report, 1);
});

t.test('a picture goes into a folder, too', async (t) => {
  const folder = t.testdir({ ...modelFolder(pictureIdentity()), in: {}, out: {} });
  const [photo = ''] = await writePhotos(join(folder, 'in'), 1);
  const { code, stderr } = await runJob(0, [
    join(folder, 'in', photo),
    ...[join(folder, 'out'), '--model', join(folder, 'model.onnx')],
  ]);
  t.equal(code, 0, stderr);
  t.same(await readdir(join(folder, 'out')), [photo]);
});
