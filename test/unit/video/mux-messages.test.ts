/** What is made of ffmpeg's words while it puts a file together. */
import t from 'tap';
import { containerFor } from '../../../src/video/formats/container.js';
import { isSystemFault, muxListener } from '../../../src/video/mux/mux-messages.js';
import type { StreamPlan } from '../../../src/video/mux/stream-plan.js';
import type { SourceFacts, StreamFacts } from '../../../src/video/source/probe.js';

const stream = (index: number, type: StreamFacts['type'], codec: string) => ({
  ...{ index, type, codec, codecTag: '', profile: undefined, language: undefined, title: undefined },
  ...{ attachedPicture: false, disposition: [], sampleRate: undefined, channels: undefined, tags: {} },
});

const STREAMS = [stream(0, 'video', 'h264'), stream(1, 'audio', 'aac'), stream(2, 'subtitle', 'subrip')];
const SOURCE = {
  path: '/films/in.ts',
  format: 'mpegts',
  video: { index: 0 },
  streams: STREAMS,
} as unknown as SourceFacts;
const PLAN: StreamPlan = {
  actions: [
    { kind: 'video', index: 0 },
    { kind: 'copy', index: 1 },
    { kind: 'convert', index: 2, encoder: 'mov_text', options: [] },
  ],
  notes: [],
};

function heard(...lines: readonly string[]) {
  const listener = muxListener(SOURCE, PLAN, containerFor('x.mp4'));
  for (const line of lines) listener.hear(line);
  return listener;
}

t.test('what tells that the file is not whole', async (t) => {
  for (const line of [
    '[error] Error writing trailer of file:/out/o.mp4: No space left on device',
    '[out#0/mp4 @ 0x55d0] [error] Error closing file: Disk quota exceeded',
    '[error] file:/films/in.ts: Input/output error',
    '[in#1/mpegts @ 0x55d0] [error] Error during demuxing: Stale file handle',
  ]) {
    const { failure, warnings } = heard(line);
    t.ok(failure && line.endsWith(failure.slice(-12)), line);
    t.same(warnings, []);
  }
  t.equal(heard('[error] file:/films/in.ts: Invalid data found when processing input').failure, undefined);
});

t.test("what the muxer refuses is not the system's fault", async (t) => {
  const { failure, refusal } = heard(
    '[mp4 @ 0x1] [error] Application provided duration: 2399500000 is invalid',
    '[error] Error writing trailer of file:/out/o.mp4: Invalid argument',
  );
  t.equal(failure, undefined);
  t.equal(refusal, 'mp4: Application provided duration: 2399500000 is invalid');
  const moved = '[mp4 @ 0x1] [warning] Packet duration: 2519999200 / dts: 2520000000 is out of range';
  t.match(heard(moved).refusal, /out of range/, 'the muxer goes on, with another time');
  t.equal(heard('[error] Error writing trailer of file:/o.mp4: No space left on device').refusal, undefined);
  t.ok(isSystemFault('ffmpeg exited: -28 (No space left on device)'));
  t.notOk(isSystemFault('Invalid argument'));
});

t.test('damage is told by stream, as FFmpeg 5 and as later ones word it', async (t) => {
  const corrupt = '[mpegts @ 0x1] [warning] Packet corrupt (stream = 1, dts = 302160), dropping it.';
  t.same(heard(corrupt, corrupt).warnings, ['Audio stream 1 (aac) is damaged: 1 of its packets is left out']);
  const moved = [/^Audio stream 1 \(aac\) has timestamps that go back: 1 of its packets is moved/];
  t.match(
    heard('[mp4 @ 0x1] [warning] Non-monotonous DTS in output stream 0:1; previous: 9, current: 1;').warnings,
    moved,
  );
  t.match(
    heard('[aost#0:1/copy @ 0x1] [warning] Non-monotonic DTS; previous: 9, current: 1; changing').warnings,
    moved,
  );
  const unread = [/^Subtitle stream 2 \(subrip\): 1 of its lines is left out: the text is not UTF-8/];
  const text =
    '[srt @ 0x1] [error] Invalid UTF-8 in decoded subtitles text; maybe missing -sub_charenc option';
  t.match(
    heard(text, '[error] Error while decoding stream #1:2: Invalid data found when processing input')
      .warnings,
    unread,
  );
  t.match(
    heard(text, '[sist#1:2/subrip @ 0x1] [dec:srt @ 0x2] [error] Error submitting packet to decoder: Invalid')
      .warnings,
    unread,
  );
  t.match(
    heard('[mp4 @ 0x1] [error] Error applying bitstream filters to an output packet for stream #0:1: x')
      .warnings,
    [/^Audio stream 1 \(aac\) is damaged: 1 of its packets/],
  );
  t.match(heard('[error] file:/films/in.ts: Invalid data found when processing input').warnings, [
    /^the file is damaged, and parts of its other streams may be missing/,
  ]);
});

t.test('what befalls the video is for the decoder to tell', async (t) => {
  const { warnings, failure } = heard(
    '[mpegts @ 0x1] [warning] Packet corrupt (stream = 0, dts = 302160), dropping it.',
    '[mp4 @ 0x1] [warning] Non-monotonous DTS in output stream 0:0; previous: 9, current: 1;',
    '[h264 @ 0x1] [error] non-existing PPS 0 referenced',
  );
  t.same(warnings, []);
  t.equal(failure, undefined);
});

t.test('a track to which nothing was written is none in an ISO file', async (t) => {
  const summary = [
    '[verbose]   Input stream #1:1 (audio): 0 packets read (0 bytes);',
    '[verbose]   Output stream #0:1 (audio): 0 packets muxed (0 bytes);',
    '[verbose]   Output stream #0:2 (subtitle): 0 frames encoded; 0 packets muxed (0 bytes);',
  ];
  const { carried, notes } = heard(...summary);
  t.same(
    carried.actions.map(({ kind }) => kind),
    ['video', 'drop', 'convert'],
  );
  t.same(notes, ['Audio stream 1 (aac) is left out: it is empty, and .mp4 holds no empty track.']);
  const matroska = muxListener(SOURCE, PLAN, containerFor('x.mkv'));
  for (const line of summary) matroska.hear(line);
  t.same([matroska.carried.actions, matroska.notes], [PLAN.actions, []]);
});
