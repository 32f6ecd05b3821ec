/** Pieces cut out of a compressed video, each decoded by itself, against the whole video decoded in one go. */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { isRefusal } from '../../src/system/refusal.js';
import { runFfmpeg } from '../../src/video/ffmpeg/ffmpeg.js';
import { containerFor } from '../../src/video/formats/container.js';
import { frameBytes } from '../../src/video/formats/frame-format.js';
import { type Decoder, openDecoder, openPieceDecoder } from '../../src/video/frames/decode.js';
import { type WirePlan, wirePlan } from '../../src/video/frames/wire.js';
import { probe, type SourceFacts } from '../../src/video/source/probe.js';
import { type CutPlan, planCut, readPieces } from '../../src/video/split/cut.js';
import { clipFolder, makeClip, makeClipAs } from '../fixtures/clips.js';

t.setTimeout(1_800_000);

const SIZE = { frames: 10, bytes: 2 ** 26, mostBytes: 2 ** 30 };
const X264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p'];
const OPEN = 'open-gop=1:keyint=12:min-keyint=12:scenecut=0';

async function frames(decoder: Decoder, wire: WirePlan): Promise<readonly string[]> {
  const into = new Uint8Array(frameBytes(wire.format));
  const seen: string[] = [];
  for (let pts = await decoder.read(into); pts !== undefined; pts = await decoder.read(into)) {
    seen.push(`${pts} ${createHash('md5').update(into).digest('hex')}`);
  }
  await decoder[Symbol.asyncDispose]();
  return seen;
}

/** Every piece's frames, each decoded from that piece alone. */
async function framesOfPieces(source: SourceFacts, wire: WirePlan, plan: CutPlan, folder: string) {
  const seen: string[] = [];
  let pieces = 0;
  for await (const { piece, data } of readPieces(source, plan, () => true)) {
    pieces += 1;
    const path = join(folder, 'piece.nut');
    await writeFile(path, data);
    const video = { ...source.video, index: 0, startPts: undefined };
    const lifted = { ...source, path, format: 'nut', video };
    const lastPts = piece.after === undefined ? undefined : piece.after + plan.offset;
    const place = { frames: piece.firstFrame, lastPts };
    const own = await frames(
      await openPieceDecoder(lifted, wire, place, { threads: 1, gpu: undefined }),
      wire,
    );
    t.equal(own.length, piece.frames, `piece ${piece.index} has its frames`);
    for (const one of own) seen.push(one.replace(/^\d+/, (pts) => String(Number(pts) - plan.offset)));
  }
  return { seen, pieces };
}

async function compared(t: Test, path: string, least: number): Promise<void> {
  const source = await probe(path);
  const wire = wirePlan(source.video, containerFor('x.mp4', undefined));
  const folder = t.testdir();
  const plan = await planCut(source, SIZE, folder);
  if (isRefusal(plan)) {
    t.fail(`it is not cut: ${plan.refusal}`);
    return;
  }
  const whole = await frames(await openDecoder(source, wire, { tolerant: false }), wire);
  t.strictSame(
    plan.timeline.pts.map(String),
    whole.map((frame) => frame.split(' ')[0]),
    'the times are known before decoding',
  );
  const { seen, pieces } = await framesOfPieces(source, wire, plan, folder);
  t.ok(pieces >= least, `${pieces} pieces`);
  t.strictSame(seen, whole, 'every frame and its time');
}

t.test('pieces of these hold the frames that they have in the whole', async (t) => {
  for (const [kind, least] of [
    ['cfr', 2],
    ['b-frames', 2],
    ['long-mkv', 6],
    ['open-gop', 7],
    ['long-ts', 7],
    ['late-ts', 2],
    ['edit-list', 2],
    ['rotated', 2],
    ['ten-bit', 2],
    ['four-four-four', 2],
    ['rgb', 2],
  ] as const) {
    await t.test(kind, async (t) => compared(t, await makeClip(kind), least));
  }
  const made: readonly (readonly [string, readonly string[], number])[] = [
    [
      'hevc-open.mp4',
      ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', `log-level=error:${OPEN}:bframes=3`],
      4,
    ],
    [
      'hevc-closed.mkv',
      [
        '-c:v',
        'libx265',
        '-preset',
        'ultrafast',
        '-x265-params',
        'log-level=error:keyint=12:min-keyint=12:open-gop=0',
      ],
      4,
    ],
    [
      'hevc-open.ts',
      ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', `log-level=error:${OPEN}:bframes=4`],
      4,
    ],
    ['open-without-b.mp4', [...X264, '-bf', '0', '-x264-params', OPEN], 4],
    ['mpeg2-open.ts', ['-c:v', 'mpeg2video', '-g', '12', '-bf', '2'], 4],
    [
      'mpeg2-closed.ts',
      ['-c:v', 'mpeg2video', '-g', '12', '-bf', '2', '-flags', '+cgop', '-sc_threshold', '1000000000'],
      4,
    ],
    ['mpeg4-b.mp4', ['-c:v', 'mpeg4', '-g', '12', '-bf', '2'], 4],
    ['mpeg4.avi', ['-c:v', 'mpeg4', '-g', '12', '-bf', '0'], 4],
    ['vp8.webm', ['-c:v', 'libvpx', '-g', '12', '-deadline', 'realtime', '-auto-alt-ref', '1'], 4],
    [
      'vp9.webm',
      [
        '-c:v',
        'libvpx-vp9',
        '-g',
        '12',
        '-deadline',
        'good',
        '-cpu-used',
        '5',
        '-auto-alt-ref',
        '1',
        '-lag-in-frames',
        '10',
      ],
      4,
    ],
    ['av1.mp4', ['-c:v', 'libsvtav1', '-preset', '12', '-g', '12'], 4],
    ['av1.mkv', ['-c:v', 'libaom-av1', '-cpu-used', '8', '-g', '12', '-lag-in-frames', '8'], 4],
    ['prores.mov', ['-c:v', 'prores_ks'], 5],
    ['dnxhd.mov', ['-c:v', 'dnxhd', '-profile:v', 'dnxhr_sq', '-s', '256x144', '-pix_fmt', 'yuv422p'], 5],
    ['mjpeg.avi', ['-c:v', 'mjpeg', '-pix_fmt', 'yuvj420p'], 5],
    ['ffv1-long.mkv', ['-c:v', 'ffv1', '-g', '6', '-level', '3', '-slices', '4'], 5],
    ['huffyuv.avi', ['-c:v', 'huffyuv', '-pix_fmt', 'yuv422p'], 5],
    ['ffvhuff.mkv', ['-c:v', 'ffvhuff'], 5],
    ['utvideo.mkv', ['-c:v', 'utvideo', '-pix_fmt', 'yuv420p'], 5],
    ['raw.avi', ['-c:v', 'rawvideo', '-pix_fmt', 'yuv420p'], 5],
    ['v210.mov', ['-c:v', 'v210', '-pix_fmt', 'yuv422p10le', '-s', '192x120'], 5],
  ];
  for (const [name, options, least] of made) {
    await t.test(name, async (t) => compared(t, await makeClipAs(name, options), least));
  }
});

t.test('what cannot be cut is said', async (t) => {
  const refused: readonly (readonly [string, RegExp])[] = [
    [await makeClip('long-gop'), /no place/],
    [await makeClip('one-frame'), /no place/],
    [await makeClip('interlaced'), /interlaced/],
    [
      await makeClipAs('mpeg2.mpg', ['-c:v', 'mpeg2video', '-g', '12', '-bf', '2']),
      /every frame a timestamp/,
    ],
    [await makeClipAs('packed.avi', ['-c:v', 'mpeg4', '-g', '12', '-bf', '2']), /every frame a timestamp/],
    [
      await makeClipAs('refresh.mp4', [...X264, '-bf', '0', '-x264-params', 'intra-refresh=1:keyint=12']),
      /no place/,
    ],
    [await makeClipAs('animation.gif', []), /gif is not known/],
  ];
  for (const [path, why] of refused) {
    t.match(await planCut(await probe(path), SIZE, t.testdir()), { refusal: why }, path);
  }
});

/** Two passes, so that the encoder hides pictures that others refer to. */
async function withHiddenPictures(codec: string): Promise<string> {
  const log = join(clipFolder(), `${codec}-pass`);
  const coded = ['-c:v', codec, '-b:v', '200k', '-auto-alt-ref', '1', '-lag-in-frames', '25', '-g', '20'];
  const smooth = ['-arnr-maxframes', '7', '-arnr-strength', '5', '-passlogfile', log];
  await makeClipAs('first-pass.webm', [...coded, ...smooth, '-pass', '1']);
  return makeClipAs(`${codec}.webm`, [...coded, ...smooth, '-pass', '2']);
}

async function filtered(path: string, filter: string, name: string): Promise<string> {
  const file = join(clipFolder(), name);
  const options = ['-c', 'copy', '-bsf:v', filter];
  await runFfmpeg({
    task: `making ${name}`,
    inputs: [{ from: { file: path } }],
    outputs: [{ to: { file }, options }],
  });
  return file;
}

t.test(
  'pictures that are not shown, as packets with times of their own, are found before the job begins',
  async (t) => {
    // As vpxenc writes them: a millisecond apart.
    const vp8 = await filtered(
      await withHiddenPictures('libvpx'),
      "setts=ts='if(eq(PTS,PREV_INPTS),PTS+1,PTS)'",
      'hidden.webm',
    );
    const inSuperframes = await withHiddenPictures('libvpx-vp9');
    const vp9 = await filtered(inSuperframes, 'vp9_superframe_split', 'hidden.nut');
    for (const path of [vp8, vp9]) {
      const refused = await planCut(await probe(path), SIZE, t.testdir());
      t.match(refused, { refusal: /packets give no frame/ }, path);
    }
    await compared(t, inSuperframes, 2);
  },
);

t.test('packets that are not those of the list end the cutting with an error', async (t) => {
  const source = await probe(await makeClip('open-gop'));
  const plan = await planCut(source, SIZE, t.testdir());
  if (isRefusal(plan)) throw new Error(plan.refusal);
  const { times } = plan.timeline;
  const others: readonly (readonly [Float64Array, RegExp])[] = [
    [times.map((time, at) => (at === 60 ? time + 1 : time)), /its timestamps differ/],
    [times.subarray(0, 60), /its packets differ/],
    [Float64Array.from([...times, 1e6]), /its timestamps differ/],
  ];
  for (const [listed, why] of others) {
    const pieces: number[] = [];
    const reading = (async () => {
      const planned = { ...plan, timeline: { ...plan.timeline, times: listed } };
      for await (const { piece } of readPieces(source, planned, () => true)) pieces.push(piece.index);
    })();
    await t.rejects(reading, { name: 'JobError', code: 'input', message: why, hint: /--split frames/ });
    t.ok(pieces.length > 0, 'after pieces that were cut before it was found');
  }
});
