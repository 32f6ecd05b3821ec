import { readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { inspections } from '../../../src/job/journal/inspections.js';
import { createNutWriter } from '../../../src/video/formats/nut.js';

/** Writes a segment of `frames` empty packets, and gives its path. */
function segment(folder: string, frames: number): string {
  const writer = createNutWriter({
    ...({ kind: 'video', fourcc: 'H264', timeBase: { num: 1, den: 25 }, width: 16, height: 16 } as const),
    ...{ sampleAspectRatio: undefined, extradata: new Uint8Array(0), decodeDelay: 0 },
  });
  const packets = Array.from({ length: frames }, (_, pts) => writer.packet(pts, true, new Uint8Array(1)));
  const path = join(folder, `${frames}.nut`);
  writeFileSync(path, Buffer.concat([writer.header, ...packets.flat()]));
  return path;
}

const confirm = async (): Promise<void> => {};

/** How often this process has the file open. */
function timesOpen(path: string): number {
  const target = (descriptor: string): string => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`);
    } catch {
      return ''; // closed meanwhile
    }
  };
  return readdirSync('/proc/self/fd').filter((descriptor) => target(descriptor) === path).length;
}

t.test('however many segments earlier runs left, few are open at once', async (t) => {
  const path = segment(t.testdir(), 3);
  const looking = inspections({ segmentPath: async () => path, confirm });
  let done = false;
  let most = 0;
  const found = looking.all(Array.from({ length: 300 }, (_, index) => index)).finally(() => {
    done = true;
  });
  while (!done) {
    most = Math.max(most, timesOpen(path));
    await turn();
  }
  t.equal((await found).length, 300);
  t.ok(most > 0 && most <= 4, `${most} at once`);
});

t.test('they come in the order that was asked for, each looked through once', async (t) => {
  const folder = t.testdir();
  const asked: number[] = [];
  const looking = inspections({
    async segmentPath(index) {
      asked.push(index);
      return segment(folder, index);
    },
    confirm,
  });
  looking.begin(7);
  const found = await looking.all([9, 7, 2, 5, 3, 8]);
  t.same(
    found.map(({ order }) => order.length),
    [9, 7, 2, 5, 3, 8],
  );
  t.same(asked.toSorted(), [2, 3, 5, 7, 8, 9]);
});

t.test('after one that is damaged no more are begun', async (t) => {
  const folder = t.testdir({ 'damaged.nut': 'no segment' });
  let asked = 0;
  const looking = inspections({
    async segmentPath() {
      asked += 1;
      return join(folder, 'damaged.nut');
    },
    confirm,
  });
  await t.rejects(looking.all(Array.from({ length: 50 }, (_, index) => index)), { code: 'ffmpeg' });
  t.ok(asked <= 4, `${asked}`);
});
