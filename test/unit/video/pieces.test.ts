import t from 'tap';
import { isRefusal } from '../../../src/system/refusal.js';
import type { Keyframe } from '../../../src/video/source/random-access.js';
import { type ListedPacket, timelineOf } from '../../../src/video/source/timeline.js';
import { foreseenPieces, type Piece, type PieceSize, pieceCutter } from '../../../src/video/split/pieces.js';

const SIZE = { frames: 1, bytes: 1000, mostBytes: 10_000 };
const IDR: Keyframe = { access: 'independent', headers: false };
const CRA: Keyframe = { access: 'recovery', headers: false };
const UNSAFE: Keyframe = { access: 'none', headers: false };
const BYTES = 10;

interface Packet {
  readonly pts: number | undefined;
  readonly keyframe: Keyframe | undefined;
  readonly hidden: boolean;
  readonly dts: number | undefined;
}

/** A packet of ten bytes shown at `pts`. */
function packet(pts: number | undefined, keyframe?: Keyframe, hidden = false, dts?: number): Packet {
  return { pts, keyframe, hidden, dts };
}

function listed({ pts, keyframe, hidden, dts }: Packet): ListedPacket {
  return { pts, dts, keyframe: keyframe !== undefined, hidden, bytes: BYTES, changes: false };
}

/** What is planned from the list, and cut while the packets come. */
function plan(packets: readonly Packet[], size: PieceSize = SIZE) {
  const list = packets.map(listed);
  const timeline = timelineOf(list);
  if (isRefusal(timeline)) return timeline.refusal;
  const foreseen = foreseenPieces(list, timeline, size);
  if (typeof foreseen === 'object') return foreseen.refusal;
  const cutter = pieceCutter(timeline, size);
  const pieces: Piece[] = [];
  for (const { keyframe } of packets) {
    const piece = cutter.add(BYTES, keyframe);
    if (piece !== undefined) pieces.push(piece);
  }
  pieces.push(cutter.end());
  t.ok(pieces.length <= foreseen, 'no more pieces than were foreseen');
  return { pieces, pts: timeline.pts };
}

t.test('closed groups are cut at every keyframe, each decoded by itself', async (t) => {
  const packets = [packet(0, IDR), packet(2), packet(1), packet(3, IDR), packet(5), packet(4)];
  t.strictSame(plan(packets), {
    pieces: [
      {
        index: 0,
        from: 0,
        to: 3,
        bytes: 30,
        firstFrame: 0,
        frames: 3,
        before: 0,
        behind: 0,
        after: undefined,
      },
      {
        index: 1,
        from: 3,
        to: 6,
        bytes: 30,
        firstFrame: 3,
        frames: 3,
        before: 0,
        behind: 0,
        after: undefined,
      },
    ],
    pts: [0, 1, 2, 3, 4, 5],
  });
});

t.test('an open group is reached by way of the keyframe before it', async (t) => {
  // Each keyframe after the first is followed by a picture that is shown before it.
  const packets = [
    packet(0, IDR),
    packet(1),
    packet(3, CRA),
    packet(2),
    packet(5, CRA),
    packet(4),
    packet(6),
  ];
  t.strictSame(plan(packets), {
    pieces: [
      {
        index: 0,
        from: 0,
        to: 2,
        bytes: 20,
        firstFrame: 0,
        frames: 2,
        before: 0,
        behind: 0,
        after: undefined,
      },
      { index: 1, from: 0, to: 4, bytes: 40, firstFrame: 2, frames: 2, before: 0, behind: 0, after: 1 },
      { index: 2, from: 2, to: 7, bytes: 50, firstFrame: 4, frames: 3, before: 0, behind: 0, after: 3 },
    ],
    pts: [0, 1, 2, 3, 4, 5, 6],
  });
});

t.test('a recovery point without pictures before it is as good as an independent one', async (t) => {
  t.match(plan([packet(0, CRA), packet(1), packet(2, CRA), packet(3)]), {
    pieces: [{ from: 0 }, { from: 2, to: 4, after: undefined }],
  });
});

t.test('no cut where frames on both sides are mingled', async (t) => {
  const mingled = [packet(0, IDR), packet(4), packet(2, IDR), packet(3), packet(1), packet(5)];
  t.match(plan(mingled), /no place/);
});

t.test('pieces are as long as asked, by frames or by bytes', async (t) => {
  const keys = Array.from({ length: 10 }, (_, pts) => packet(pts, IDR));
  const frames = (size: typeof SIZE) => {
    const planned = plan(keys, size);
    return typeof planned === 'string' ? planned : planned.pieces.map((piece) => piece.frames);
  };
  t.strictSame(frames({ ...SIZE, frames: 4 }), [4, 4, 2]);
  t.strictSame(frames({ ...SIZE, frames: 4, bytes: 30 }), [3, 3, 3, 1]);
  t.match(frames({ ...SIZE, frames: 4, mostBytes: 39 }), /MiB/);
});

t.test('frames that an edit list hides before the first are passed over', async (t) => {
  const packets = [packet(-3, IDR, true), packet(0), packet(-1, undefined, true), packet(1, IDR), packet(2)];
  t.strictSame(plan(packets), {
    pieces: [
      { index: 0, from: 0, to: 3, bytes: 30, firstFrame: 0, frames: 1, before: 0, behind: 0, after: -1 },
      {
        index: 1,
        from: 3,
        to: 5,
        bytes: 20,
        firstFrame: 1,
        frames: 2,
        before: 0,
        behind: 0,
        after: undefined,
      },
    ],
    pts: [0, 1, 2],
  });
  t.match(plan([packet(0, IDR), packet(1, undefined, true), packet(2, IDR)]), /edit list/);
});

t.test('headers in the stream are needed at every cut, once there are any', async (t) => {
  const carried: Keyframe = { access: 'independent', headers: true };
  t.match(plan([packet(0, carried), packet(1, IDR), packet(2, carried)]), {
    pieces: [{ frames: 2 }, { frames: 1 }],
  });
  t.match(plan([packet(0, IDR), packet(1, IDR), packet(2, carried), packet(3, IDR), packet(4, carried)]), {
    pieces: [{ frames: 1 }, { frames: 1 }, { frames: 2 }, { frames: 1 }],
  });
});

t.test('a keyframe that decoding cannot begin at is passed over', async (t) => {
  t.match(plan([packet(0, IDR), packet(1), packet(2, UNSAFE), packet(3), packet(4, IDR)]), {
    pieces: [
      { from: 0, to: 4, firstFrame: 0, frames: 4 },
      { from: 4, to: 5, firstFrame: 4, frames: 1 },
    ],
  });
});

t.test('a packet far behind that is shown before a keyframe makes it no place to cut', async (t) => {
  t.match(plan([packet(0, IDR), packet(2, IDR), packet(5, IDR), packet(4), packet(1)]), {
    pieces: [{ frames: 1 }, { frames: 4 }],
  });
});

t.test('what cannot be planned is said', async (t) => {
  t.match(plan([]), /no packets/);
  t.match(plan([packet(0), packet(1, IDR)]), /begin with a keyframe/);
  t.match(plan([packet(0, IDR), packet(undefined, IDR)]), /every frame a timestamp/);
  t.match(plan([packet(0, IDR), packet(0, IDR)]), /the same timestamp/);
  t.match(plan([packet(0, IDR), packet(1)]), /no place/);
  t.match(plan([packet(1, IDR, false, 1), packet(2, IDR, false, 1)]), /not in order/);
  t.match(plan([packet(1, IDR, false, 0), packet(2, IDR, false, 3)]), /not in order/);
});

t.test(
  'pieces of models with neighbours give those too, and of models with states begin with a run',
  async (t) => {
    // Groups of five: three in each that are shown out of order, some open.
    const packets = Array.from({ length: 8 }, (_, group) => {
      const first = 5 * group;
      const key = group % 3 === 2 ? CRA : IDR;
      const order = group % 3 === 2 ? [1, 0, 3, 2, 4] : [0, 2, 1, 4, 3];
      return order.map((at, place) => packet(first + at, place === 0 ? key : undefined));
    }).flat();
    for (const [reach, run] of [
      ...[1, 2, 5, 7].map((one) => [one, 1] as const),
      ...[0, 2, 7].flatMap((one) => [2, 3, 7].map((run) => [one, run] as const)),
    ] as const) {
      const planned = plan(packets, { ...SIZE, frames: 4, reach, run });
      if (typeof planned === 'string') return t.fail(planned);
      const { pieces, pts } = planned;
      t.ok(pieces.length >= 4, `${pieces.length} pieces`);
      let next = 0;
      for (const { from, to, firstFrame, frames, before, behind, after } of pieces) {
        t.equal(firstFrame, next, 'pieces follow each other');
        t.equal(firstFrame % run, 0, 'and begin with a run');
        t.ok(frames > 0);
        next += frames;
        t.equal(before, Math.min(reach, firstFrame));
        t.equal(behind, Math.min(reach, pts.length - next));
        const needed = pts.slice(firstFrame - before, next + behind);
        const given = packets.slice(from, to).map((one) => one.pts ?? -1);
        t.same(
          needed.filter((time) => !given.includes(time)),
          [],
          'all packets of what is needed',
        );
        t.equal(after, firstFrame === before ? undefined : (needed[0] ?? 0) - 1);
        t.ok(packets[from]?.keyframe, 'decoding begins with a keyframe');
        t.ok(after === undefined || (packets[from]?.pts ?? 99) <= after, 'whose frame comes before them');
      }
      t.equal(next, pts.length);
      t.equal(pieces.at(-1)?.to, packets.length);
    }
  },
);
