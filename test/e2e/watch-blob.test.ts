/** Watchers on Blob storage (Azurite): what one of many promises. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { parseLocation } from '../../src/storage/location/location.js';
import { openClaims } from '../../src/watch/claims.js';
import { startAzurite, withoutAzurite } from '../fixtures/azurite.js';
import { makeClip } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { decodedFrames, killRanks } from '../fixtures/job.js';
import { until } from '../fixtures/until.js';
import { FAST, outcome, startedVideos, startWatcher } from '../fixtures/watcher.js';

/** One name is hostile. */
const NAMES = Array.from({ length: 20 }, (_, i) => (i === 3 ? 'sub/a film; $(x) %d.mp4' : `film ${i}.mp4`));
const POISON = 'film 10 poison.mp4';

t.test(
  'twenty videos: two watchers, of which one is killed, and a third; each once',
  { skip: withoutAzurite },
  async (t) => {
    const azurite = await startAzurite();
    t.teardown(() => azurite.stop());
    const folder = t.testdir({ tmp: {} });
    const model = await identityModel(folder);
    const clip = await makeClip('one-frame');
    const films = await azurite.container('films');
    const styled = await azurite.container('styled');
    for (const name of NAMES) await films.getBlockBlobClient(`in/${name}`).uploadFile(clip);
    await films.getBlockBlobClient(`in/${POISON}`).upload('this is no video', 16);
    await films.getBlockBlobClient('in/notes.txt').upload('no video', 8);
    await films.getBlockBlobClient('in/../up.mp4').upload('no name', 7);
    await films.getBlockBlobClient('elsewhere.mp4').uploadFile(clip);
    const args = [`${azurite.endpoint}/films/in`, '--out', `${azurite.endpoint}/styled`];
    const words = ['--poll', '0.2', '--tries', '2', '--', '--model', model, ...FAST];
    const env = { AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString, TMPDIR: join(folder, 'tmp') };

    const first = startWatcher([...args, ...words], env);
    const second = startWatcher([...args, '--once', ...words], env);
    t.teardown(first.kill);
    t.teardown(second.kill);
    await until('the first is at its third video', async () => startedVideos(first.stderr()).length >= 3);
    first.kill();
    const dead = await first.result;
    t.equal(dead.code, 137);
    // On a busy machine it may have come to the end of a video, or to the next one, before it was killed.
    const held = (await outcome(styled)).records
      .filter(
        ({ state, watcher }) => state === 'running' && `${watcher}`.startsWith(`process ${first.pid} on`),
      )
      .map(({ video }) => String(video));
    for (const name of held)
      await killRanks(`${azurite.endpoint}/styled/${name.split('/').map(encodeURIComponent).join('/')}`);
    const unsaid = held.filter((name) => !startedVideos(dead.stderr).includes(name));

    const third = startWatcher([...args, ...words], env);
    t.teardown(third.kill);
    const whole = async (): Promise<boolean> => {
      const { records } = await outcome(styled);
      const settled = records.filter(({ state }) => state === 'done' || state === 'failed');
      return settled.length === NAMES.length + 1;
    };
    await until('every video is settled', whole);
    process.kill(third.pid, 'SIGTERM');
    const results = [await second.result, await third.result];
    const said = [dead, ...results].map(({ stderr }) => stderr).join('\n');
    t.equal(results[1]?.code, 0, said);
    t.same([...startedVideos(said), ...unsaid].sort(), [...NAMES, POISON].sort(), 'each is started once');
    const takenOver = [...said.matchAll(/^framescatter: (.*): resumed$/gm)].map(([, name]) => name);
    t.same(
      takenOver.filter((name) => name !== POISON),
      held.filter((name) => name !== POISON),
      'and only what the dead one held again',
    );
    // Killed right after its record said so, a watcher has not said it.
    for (const name of NAMES) t.ok(said.split(`framescatter: ${name}: done\n`).length <= 2, name);

    const { records, state, outputs } = await outcome(styled);
    t.same(state, [], 'no claim is left');
    t.same(outputs, [...NAMES, `${POISON}.failed.json`].sort());
    for (const name of NAMES) {
      const copy = join(folder, 'copy.mp4');
      await styled.getBlobClient(name).downloadToFile(copy);
      t.equal(decodedFrames(copy).length, 1, name);
    }
    t.equal(records.length, NAMES.length + 1, 'a record each');
    for (const { video, failures, interruptions, reason, state } of records) {
      if (video === POISON)
        t.match({ state, failures, reason }, { state: 'failed', failures: 2, reason: /poison/ });
      else t.match({ state, failures, reason }, { state: 'done', failures: 0, reason: null }, String(video));
      t.ok(held.includes(String(video)) || interruptions === 0);
    }
    const note = await styled.getBlobClient(`${POISON}.failed.json`).downloadToBuffer();
    t.match(JSON.parse(note.toString('utf8')), { video: POISON, failures: 2, reason: /poison/ });
    t.equal((await films.getBlobClient(`in/${POISON}`).downloadToBuffer()).toString(), 'this is no video');
    // Open MPI 5 leaves its own session folder where a process was killed.
    const left = (await fs.readdir(join(folder, 'tmp'))).filter((name) => !name.startsWith('ompi.'));
    t.same(left, [], 'nothing stays, not even of what was killed');
  },
);

t.test('a claim that is lost is noticed; loops are refused', { skip: withoutAzurite }, async (t) => {
  const azurite = await startAzurite();
  t.teardown(() => azurite.stop());
  const styled = await azurite.container('styled');
  const state = parseLocation(`${azurite.endpoint}/styled/s?${azurite.sas('styled', 'rwdl')}`);
  const claim = await (await openClaims(state, { leaseSeconds: 15 })).claim('k');
  if (typeof claim === 'string') throw new Error(claim);
  t.equal(await claim.held(), true);
  const blob = styled.getBlobClient('s/claims/k');
  await blob.getBlobLeaseClient().breakLease(0);
  await blob.getBlobLeaseClient().acquireLease(-1);
  await until('the loss is noticed', async () => !(await claim.held()));

  const env = { AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString };
  const loop = await startWatcher([`${azurite.endpoint}/films`, '--out', `${azurite.endpoint}/films/o`], env)
    .result;
  t.equal(loop.code, 2);
  t.match(loop.stderr, /overlaps with the watched/);
});
