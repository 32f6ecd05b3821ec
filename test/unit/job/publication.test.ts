/** Two tables and a video, published by runs that are killed at each step. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { JobOptions } from '../../../src/job/context/options.js';
import { seal, unseal } from '../../../src/job/journal/sealed.js';
import { type Destination, openDestination } from '../../../src/job/output/destination.js';
import { isPublishedBeside, publish, publishedIdentity } from '../../../src/job/output/publication.js';
import type { Announce } from '../../../src/storage/local/publish-file.js';
import { openLocalStore } from '../../../src/storage/local/work-store.js';

const IDENTITY = { model: 'm' };
const LABELS = { contentType: '', metadata: {} };

/** Moments at which a run is killed: before or after what is announced is done. */
const MOMENTS = ['table', 'second', 'video'].flatMap((what) => [`${what} announced`, `${what} there`]);
type Moment = string;

class Killed extends Error {}

async function killable(path: string, what: string, at: Moment | undefined): Promise<Destination> {
  const place = await openDestination({ kind: 'file', path } as never, {} as never);
  return {
    ...place,
    async publish(finished, labels, overwrite, announce: Announce) {
      await place.publish(finished, labels, overwrite, async (found) => {
        await announce(found);
        if (at === `${what} announced`) throw new Killed();
      });
      if (at === `${what} there`) throw new Killed();
    },
  };
}

/** A run that finds the work done, and publishes it unless something of another's is there. */
async function run(folder: string, at: Moment | undefined): Promise<'killed' | 'done' | 'refused'> {
  const [output = '', tablePath = '', secondPath = ''] = ['o.mp4', 't.csv', 'u.csv'].map((name) =>
    join(folder, name),
  );
  const options = { input: 'i.mp4', output, restart: false } as JobOptions;
  const video = await killable(output, 'video', at);
  const [table, second] = [await killable(tablePath, 'table', at), await killable(secondPath, 'second', at)];
  if ((await publishedIdentity(options, video)) !== undefined) return 'done';
  for (const one of [table, second]) {
    const isThere = (await one.stamp()) !== null;
    if (isThere && !(await isPublishedBeside(options, one))) return 'refused';
  }
  await using store = await openLocalStore(`${output}.framescatter`);
  const file = async (name: string, text: string): Promise<string> => {
    const path = store.temporary(name);
    await fs.writeFile(path, text);
    return path;
  };
  const finished = { labels: LABELS, overwrite: false };
  try {
    await publish(
      store,
      IDENTITY,
      { ...finished, destination: video, file: await file('output.mp4', 'the video') },
      [
        { ...finished, destination: table, file: await file('table.csv', 'the table') },
        { ...finished, destination: second, file: await file('table-1.csv', 'the second') },
      ],
    );
    return 'done';
  } catch (error) {
    if (error instanceof Killed) return 'killed';
    throw error;
  }
}

t.test('however often it is killed, the job goes on, and both outputs are whole', async (t) => {
  for (const first of MOMENTS) {
    for (const second of MOMENTS) {
      const folder = t.testdir();
      const ends = [await run(folder, first), await run(folder, second), await run(folder, undefined)];
      t.equal(ends[0], 'killed');
      t.equal(ends[2], 'done', `${first}, ${second}: ${ends.join()}`);
      t.equal(await fs.readFile(join(folder, 'o.mp4'), 'utf8'), 'the video');
      t.equal(await fs.readFile(join(folder, 't.csv'), 'utf8'), 'the table');
      t.equal(await fs.readFile(join(folder, 'u.csv'), 'utf8'), 'the second');
      const found = (await fs.readdir(folder)).sort();
      t.same(found, ['o.mp4', 'o.mp4.framescatter', 't.csv', 'u.csv'], 'no copy is left');
    }
  }
});

t.test("another's table in the same place is never taken for the job's own", async (t) => {
  for (const [moment, name] of [
    ['table there', 't.csv'],
    ['second there', 'u.csv'],
    ['second there', 't.csv'],
  ] as const) {
    const folder = t.testdir();
    t.equal(await run(folder, moment), 'killed');
    await fs.rm(join(folder, name));
    await fs.writeFile(join(folder, name), 'of someone else');
    t.equal(await run(folder, undefined), 'refused', `${moment}, ${name}`);
    t.equal(await fs.readFile(join(folder, name), 'utf8'), 'of someone else');
  }
});

t.test('a record of an early version, with one table, counts', async (t) => {
  const folder = t.testdir();
  t.equal(await run(folder, 'table there'), 'killed');
  const path = join(folder, 'o.mp4.framescatter', 'publication.json');
  const { tables, ...record } = unseal(await fs.readFile(path, 'utf8')) ?? {};
  const [table] = tables as readonly object[];
  await fs.writeFile(path, seal({ ...record, table }));
  t.equal(await run(folder, undefined), 'done');
  t.equal(await fs.readFile(join(folder, 't.csv'), 'utf8'), 'the table');
});
