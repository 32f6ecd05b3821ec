/** Frames with their neighbours: the same at any number of ranks, however the rounds lie. */
import t from 'tap';
import { shareFor } from '../../../src/job/prepare/batch.js';
import { type Edge, frameAt } from '../../../src/model/ports/edges.js';
import { haloOf, imageDims, stackedDims, windowOf } from '../../../src/model/ports/window.js';
import { decodeRuns } from '../../../src/pipeline/decode-windows-stage.js';
import { StageMeter } from '../../../src/pipeline/meter.js';
import { BufferPool } from '../../../src/pipeline/pool.js';
import { type ScheduleName, scheduleOf } from '../../../src/pipeline/schedule.js';

interface Video {
  readonly frames: number;
  readonly ranks: number;
  readonly share: number;
  readonly before: number;
  readonly after: number;
  readonly edge: Edge;
  readonly schedule?: ScheduleName;
  /** Frames that are made together. */
  readonly chunk?: number;
  /** The first frame to make. */
  readonly position?: number;
  /** The decoder stops to give frames, as after a signal, from this one on. */
  readonly stopAt?: number;
}

/** The window of each frame that is made, by its number: what its rank got. */
async function windows(video: Video): Promise<ReadonlyMap<number, readonly number[]>> {
  const { frames, ranks, share, before, after, edge, position = 0, stopAt } = video;
  const from = Math.max(0, position - Math.max(before, after));
  const made = new Map<number, readonly number[]>();
  let next = from;
  let stopped = false;
  const decoder = {
    read: async (into: Uint8Array): Promise<number | undefined> => {
      stopped ||= next === stopAt;
      if (next === frames || stopped) return undefined;
      into[0] = next;
      next += 1;
      return 10 * (next - 1);
    },
  };
  const rounds = decodeRuns([{ decoder, position, from }], {
    schedule: scheduleOf(video.schedule ?? 'even', ranks, share, video.chunk),
    frameBytes: 1,
    buffers: new BufferPool(1, () => new Uint8Array(ranks * (share + before + after))),
    meter: new StageMeter(),
    stopping: () => stopped,
    window: { before, after, edge },
    ...(video.chunk === undefined ? {} : { chunk: video.chunk }),
  });
  for await (const { pts, counts, data } of rounds) {
    let place = 0;
    let at = 0;
    for (const count of counts) {
      for (let frame = 0; frame < count; frame += 1) {
        made.set((pts[at] ?? -1) / 10, [
          ...data.data.subarray(place + frame, place + frame + before + after + 1),
        ]);
        at += 1;
      }
      if (count > 0) place += count + before + after;
    }
    data.release();
  }
  return made;
}

/** What each window must be, from its definition alone. */
function expected(
  { frames, before, after, edge, position = 0 }: Video,
  end = frames,
): Map<number, readonly number[]> {
  const mirror = Array.from({ length: 8 * frames + 200 }, (_, at) => {
    const period = Math.max(1, 2 * (frames - 1));
    return Math.min(at % period, period - (at % period));
  });
  const find = (index: number): number => {
    if (edge === 'replicate') return Math.max(0, Math.min(frames - 1, index));
    return frames === 1 ? 0 : (mirror[Math.abs(index)] ?? -1);
  };
  const all = Array.from({ length: end - position }, (_, at) => position + at);
  return new Map(
    all.map((frame) => [
      frame,
      Array.from({ length: before + after + 1 }, (_, at) => find(frame - before + at)),
    ]),
  );
}

t.test('a stop leaves no part of a chunk, and the end of the video does', async (t) => {
  const chunks = { before: 0, after: 0, edge: 'replicate', chunk: 4, share: 4 } as const;
  for (const [frames, ranks, stopAt, made] of [
    [30, 1, undefined, 30],
    [30, 3, undefined, 30],
    [30, 3, 21, 20],
    [30, 2, 3, 0],
    [30, 2, 29, 28],
    [28, 2, 28, 28],
  ] as const) {
    for (const schedule of ['even', 'dynamic'] as const) {
      const video = { ...chunks, frames, ranks, schedule, ...(stopAt === undefined ? {} : { stopAt }) };
      t.same(await windows(video), expected(video, made), `${frames} frames on ${ranks}, stop at ${stopAt}`);
    }
  }
});

t.test('every frame has its own neighbours, whoever makes it', async (t) => {
  for (const edge of ['replicate', 'reflect'] as const)
    for (const [before, after] of [
      [2, 2],
      [0, 1],
      [3, 0],
      [1, 4],
    ] as const)
      for (const frames of [1, 2, 3, 7, 16, 17, 40])
        for (const [ranks, share] of [
          [1, 1],
          [1, 8],
          [3, 4],
          [7, 2],
        ] as const)
          for (const schedule of ['even', 'dynamic'] as const) {
            const video = { frames, ranks, share, before, after, edge, schedule };
            t.same([...(await windows(video))], [...expected(video)], JSON.stringify(video));
          }
});

t.test('a resumed job goes on with the same neighbours', async (t) => {
  for (const edge of ['replicate', 'reflect'] as const)
    for (const position of [1, 2, 3, 9, 15, 16]) {
      const video = { frames: 17, ranks: 2, share: 3, before: 2, after: 3, edge, position };
      t.same([...(await windows(video))], [...expected(video)], JSON.stringify(video));
    }
});

t.test('a stop makes no frame whose neighbours are missing', async (t) => {
  const video = {
    frames: 40,
    ranks: 2,
    share: 4,
    before: 2,
    after: 2,
    edge: 'replicate',
    stopAt: 21,
  } as const;
  const made = await windows(video);
  t.same([...made], [...expected(video, made.size)], 'those that were made are right');
  t.ok(made.size > 0 && made.size <= 19, `${made.size}`);
});

t.test('a mirror at the ends, and the nearest frame', async (t) => {
  t.same(
    [-2, -1, 0, 4, 5, 6].map((at) => frameAt(at, 5, 'reflect')),
    [2, 1, 0, 4, 3, 2],
  );
  t.same(
    [-2, -1, 0, 4, 5, 6].map((at) => frameAt(at, 5, 'replicate')),
    [0, 0, 0, 4, 4, 4],
  );
  t.equal(frameAt(-3, undefined, 'reflect'), 3);
});

t.test('inputs that take frames', async (t) => {
  const stack = { name: 'x', offsets: [-2, -1, 0, 1, 2] };
  t.same(imageDims({ ...stack, stack: 'channels' }, [undefined, 15, undefined, undefined]), [
    ...[undefined, 3, undefined, undefined],
  ]);
  t.same(imageDims({ ...stack, stack: 'time' }, [1, 5, 3, 64, 64]), [1, 3, 64, 64]);
  t.equal(imageDims({ ...stack, stack: 'time' }, [1, 7, 3, 64, 64]), undefined);
  t.equal(imageDims({ ...stack, stack: 'channels' }, [1, 12, 8, 8]), undefined);
  t.same(stackedDims({ ...stack, stack: 'channels' }, [1, 8, 8, 3], 'nhwc'), [1, 8, 8, 15]);
  t.same(stackedDims({ ...stack, stack: 'time' }, [1, 3, 8, 8], 'nchw'), [1, 5, 3, 8, 8]);
  t.equal(windowOf([{ name: 'x', offsets: [0], stack: undefined }], 'replicate'), undefined);
  t.match(
    windowOf(
      [
        { name: 'a', offsets: [0], stack: undefined },
        { name: 'b', offsets: [1], stack: undefined },
      ],
      'reflect',
    ),
    {
      ...{ before: 0, after: 1, edge: 'reflect' },
    },
  );
});

t.test('the halo is at most a quarter of what a rank makes', async (t) => {
  const window = { before: 2, after: 2, edge: 'replicate' } as const;
  t.equal(haloOf(window), 4);
  for (const batch of [1, 3, 8, 16, 32]) {
    const share = shareFor(batch, window);
    t.ok(share >= 16 && share % batch === 0, `${batch}: ${share}`);
  }
  t.equal(shareFor(4, undefined), 4);
});
