/** The ways to carry a stream over, the lines about them, and what a written file is compared with. */
import t from 'tap';
import { containerFor } from '../../../src/video/formats/container.js';
import { wrongStreams } from '../../../src/video/mux/stream-check.js';
import { codecOptions, type StreamPlan } from '../../../src/video/mux/stream-plan.js';
import type { SourceFacts, StreamFacts } from '../../../src/video/source/probe.js';
import { ladderFor, lineFor } from '../../../src/video/streams/stream-ladder.js';

const stream = (index: number, type: StreamFacts['type'], codec: string, picture = false): StreamFacts => ({
  ...{ index, type, codec, codecTag: '', profile: undefined, language: undefined, title: undefined },
  ...{ attachedPicture: picture, disposition: [], sampleRate: undefined, channels: undefined, tags: {} },
  ...{ width: undefined, height: undefined, startTime: undefined },
});
const facts = (...streams: readonly StreamFacts[]) =>
  ({ path: 'in.mkv', video: { index: 0 }, streams }) as unknown as SourceFacts;

t.test('every ladder ends with leaving the stream out', (t) => {
  for (const name of ['mp4', 'mov', 'mkv', 'webm'] as const) {
    for (const type of ['audio', 'subtitle', 'data', 'attachment', 'video'] as const) {
      for (const edited of [false, true]) {
        const ladder = ladderFor(stream(1, type, 'x'), edited, containerFor('', name), undefined);
        t.equal(ladder.at(-1)?.kind, 'drop');
        t.equal(ladder.filter(({ kind }) => kind === 'drop').length, 1);
        t.equal(ladder[0]?.kind === 'copy', !edited, 'a copy is best');
      }
    }
  }
  const kinds = (codec: string, name: string) =>
    ladderFor(stream(1, 'video', codec, true), false, containerFor('', name), undefined).map(
      ({ kind }) => kind,
    );
  t.same(kinds('png', 'mkv'), ['attach', 'drop']);
  t.same(kinds('png', 'mp4'), ['copy', 'drop']);
  t.same(kinds('png', 'mov'), ['drop']);
  t.same(kinds('jpegxl', 'mkv'), ['drop']);
  t.end();
});

t.test('text has units in which an ISO file holds long lines', (t) => {
  const bases = (name: string) =>
    ladderFor(stream(1, 'subtitle', 'subrip'), false, containerFor('', name), undefined).flatMap((action) =>
      action.kind === 'convert' ? [codecOptions(action, 2, 1).join(' ')] : [],
    );
  t.same(bases('mp4'), [
    '-map 1:1 -c:2 mov_text',
    '-map 1:1 -c:2 mov_text -time_base:2 1/1000',
    '-map 1:1 -c:2 mov_text -time_base:2 1/100',
  ]);
  t.same(bases('webm'), ['-map 1:1 -c:2 webvtt']);
  t.end();
});

t.test('a line names what keeps a stream, and nothing where nothing does', (t) => {
  const line = (keepers: readonly string[]) =>
    lineFor(
      { kind: 'drop', index: 1 },
      stream(1, 'data', 'klv'),
      { edited: false, asked: undefined },
      containerFor('', 'webm'),
      keepers,
    );
  t.equal(line([]), 'Data stream 1 (klv) is left out: .webm cannot hold it.');
  t.equal(line(['mkv']), 'Data stream 1 (klv) is left out: .webm cannot hold it; .mkv keeps it.');
  t.match(line(['mkv', 'mov']), /; \.mkv and \.mov keep it\.$/);
  t.match(line(['mkv', 'mov', 'mp4']), /; \.mkv, \.mov and \.mp4 keep it\.$/);
  t.end();
});

t.test('what a written file lacks, by stream', (t) => {
  const source = facts(
    stream(0, 'video', 'h264'),
    stream(1, 'audio', 'pcm_bluray'),
    stream(2, 'video', 'png', true),
    stream(3, 'subtitle', 'dvb_subtitle'),
    stream(4, 'audio', 'mp2'),
  );
  const plan: StreamPlan = {
    actions: [0, 1, 2, 3, 4].map((index) => ({ kind: index === 0 ? 'video' : 'copy', index })),
    notes: [],
  };
  const written = (...streams: readonly StreamFacts[]) => [...wrongStreams(facts(...streams), source, plan)];
  const right = [
    stream(0, 'video', 'vp9'),
    stream(1, 'audio', 'pcm_bluray'),
    stream(2, 'subtitle', 'dvb_subtitle'),
    stream(3, 'audio', 'mp3'),
    stream(4, 'video', 'png', true),
  ] as const;
  t.same(written(...right), [], 'demuxers list cover art last, and mp4 does not tell mp2 from mp3');
  t.same(written(right[0], stream(1, 'audio', 'none'), ...right.slice(2)), [
    [1, 'none instead of pcm_bluray'],
  ]);
  t.same(written(...right.slice(0, 2), stream(2, 'data', 'none'), ...right.slice(3)), [
    [3, 'data (none) instead of subtitle'],
  ]);
  t.same(written(...right.slice(0, 4)), [[2, 'missing']]);
  t.end();
});
