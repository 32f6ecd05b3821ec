import t from 'tap';
import { clipped, metadataText } from '../../../src/video/mux/chapters.js';
import { partText, withPart } from '../../../src/video/source/frame-range.js';
import type { SourceFacts } from '../../../src/video/source/source-facts.js';

/** The facts of ten seconds at 30000/1001 frames per second that begin at tick 1001. */
const SOURCE = {
  path: 'x.mp4',
  duration: 10,
  video: {
    timeBase: { num: 1, den: 30_000 },
    startPts: 1001,
    durationTicks: 300_300,
    duration: 10.01,
    averageRate: { num: 30_000, den: 1001 },
    frames: 300,
    framesDeclared: true,
  },
} as unknown as SourceFacts;

t.test('times become ticks of the video, of which those at the time itself are in', async (t) => {
  const { range, video } = withPart(SOURCE, { from: 1_001_000, to: 2_000_000, frames: undefined });
  t.same(range, { from: 1001 + 30_030, to: 1001 + 60_000, frames: undefined });
  t.equal(video.frames, 30);
  const between = withPart(SOURCE, { from: 1_001_001, to: undefined, frames: 7 });
  t.equal(between.range?.from, 1001 + 30_031, 'a microsecond later, the next tick');
  t.equal(between.video.frames, 7);
  t.equal(withPart(SOURCE, undefined), SOURCE);
});

t.test('a part that begins at the end is refused', async (t) => {
  const part = { from: 10_010_000, to: undefined, frames: undefined };
  t.throws(() => withPart(SOURCE, part), { code: 'usage', message: /begins at 10.01 s, and "x.mp4" ends/ });
});

t.test('a part is told for the journal', async (t) => {
  t.equal(partText({ from: 1_500_000, to: 2_000_000, frames: 1 }), 'from 1.5 s, to 2 s, at most 1 frame');
});

t.test('chapters are shifted and clipped, and those outside are left out', async (t) => {
  const chapter = (start: number, end: number) => ({ start, end, tags: { title: `${start}` } });
  t.same(clipped([chapter(0, 10), chapter(10, 20), chapter(20, 30), chapter(30, 40)], 10, 25), [
    { start: 0, end: 10, tags: { title: '10' } },
    { start: 10, end: 15, tags: { title: '20' } },
  ]);
  t.match(
    metadataText([{ start: 0, end: 5, tags: { title: 'a=b;c#d\\e\n[CHAPTER]' } }]),
    /title=a\\=b\\;c\\#d/,
  );
});
