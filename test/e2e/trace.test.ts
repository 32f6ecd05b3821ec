/** Traces of real jobs, as trace viewers read them. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { makeClip } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { runJob } from '../fixtures/job.js';
import { writePhotos } from '../fixtures/photos.js';
import { eventsOf, threadsOf } from '../fixtures/trace-format.js';

const ALL = ['decode', 'scatter', 'infer', 'gather', 'encode'];

t.test('a job of two ranks leaves a trace: a process for each, a thread for each stage', async (t) => {
  const folder = t.testdir({ 'mine.json': '{}' });
  const at = (name: string): string => join(folder, name);
  const model = ['--model', await identityModel(folder), '--codec', 'ffv1'];
  const job = [await makeClip('open-gop'), at('out.mkv'), ...model];

  t.match(
    await runJob(0, [...job, '--trace', at('mine.json')]),
    { code: 1, stderr: /mine\.json exists and is not a trace, so it is not replaced/ },
    'refused before any work',
  );
  t.same((await fs.readdir(folder)).includes('out.mkv'), false);

  const { code, stderr } = await runJob(2, [...job, '--trace', at('t.json'), '--report', at('r.json')]);
  t.equal(code, 0, stderr);
  const events = eventsOf(t, await fs.readFile(at('t.json'), 'utf8'));
  const [root, ...others] = Object.entries(threadsOf(events));
  t.match(root?.[0], /^rank 0 on /);
  t.same(root?.[1], ALL);
  t.same(
    others.map(([, stages]) => stages),
    [['scatter', 'infer', 'gather']],
  );
  const report = JSON.parse(await fs.readFile(at('r.json'), 'utf8')) as {
    readonly ranks: readonly { readonly seconds: Readonly<Record<string, number>> }[];
  };
  for (const [rank, { seconds }] of report.ranks.entries()) {
    for (const stage of ALL) {
      const busy = events
        .filter(({ ph, pid, name }) => ph === 'X' && pid === rank + 1 && name === stage)
        .reduce((sum, { dur = 0, args }) => sum + Number(args.busy ?? dur), 0);
      const told = 1e6 * (seconds[stage] ?? 0);
      t.ok(Math.abs(busy - told) < 1000, `rank ${rank}, ${stage}: ${busy} of ${told} microseconds`);
    }
  }
  const frames = events.filter(({ ph }) => ph === 'C');
  t.ok(
    frames.length > 0 && frames.every(({ pid }) => pid === 1),
    'frames are counted where they are encoded',
  );

  const again = [...job, '--overwrite', '--split', 'segments', '--trace', at('t.json')];
  t.match(await runJob(0, again), { code: 0 }, 'the trace of an earlier run is replaced');
  const pieces = threadsOf(eventsOf(t, await fs.readFile(at('t.json'), 'utf8')));
  t.same(Object.values(pieces), [ALL]);
});

t.test('a trace is for one video', async (t) => {
  const folder = t.testdir({});
  const at = (name: string): string => join(folder, name);
  await writePhotos(at('photos'), 1);
  for (const [names, message] of [
    [['a.mp4', '--out-dir', at('out')], /--trace goes with one INPUT and one OUTPUT/],
    [[at('photos'), at('table.csv')], /--trace does not apply to pictures/],
  ] as const)
    t.match(await runJob(0, [...names, '--trace', at('t.json')]), { code: 2, stderr: message });
  t.same(await fs.readdir(folder), ['photos']);
});
