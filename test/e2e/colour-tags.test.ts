/** Colour tags from one end to the other: every codec in every container that takes it, and what is done where one is lost. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Codec, EncodeSpec } from '../../src/video/codecs/codec.js';
import { codedTags, readableTags } from '../../src/video/codecs/colour-support.js';
import { runFfprobe } from '../../src/video/ffmpeg/ffmpeg.js';
import type { ColourTags } from '../../src/video/formats/colour-names.js';
import { containerFor } from '../../src/video/formats/container.js';
import { frameBytes, I420 } from '../../src/video/formats/frame-format.js';
import { openEncoder } from '../../src/video/frames/encode.js';
import { assemble } from '../../src/video/mux/assemble.js';
import { inspectSegment } from '../../src/video/mux/segment-packets.js';
import { probe } from '../../src/video/source/probe.js';
import { verifyOutput } from '../../src/video/verify/verify.js';
import { clipFolder, ffmpegClip } from '../fixtures/clips.js';
import { packetDigests } from '../fixtures/finish.js';
import { identityModel } from '../fixtures/identity-model.js';
import { runJob } from '../fixtures/job.js';

// Dozens of short runs of ffmpeg, on whatever machine.
t.setTimeout(1_800_000);

const HDR: ColourTags = {
  ...{ matrix: 'bt2020nc', primaries: 'bt2020', transfer: 'smpte2084' },
  ...{ range: 'limited', chromaLocation: 'topleft' },
};
const FULL: ColourTags = {
  ...{ matrix: 'smpte240m', primaries: 'ebu3213', transfer: 'iec61966-2-1' },
  ...{ range: 'full', chromaLocation: 'left' },
};
const PARTIAL: ColourTags = { ...HDR, primaries: undefined, chromaLocation: 'center' };

type Way = readonly [codec: Codec, preset: string, pixelFormat: string, containers: readonly string[]];

const H264: Way = ['h264', 'veryfast', 'yuv420p', ['mp4', 'mov', 'mkv']];
/** Each codec, ProRes with 4:2:2 and 4:4:4, and the containers that take it. */
const WAYS: readonly Way[] = [
  H264,
  ['hevc', 'ultrafast', 'yuv420p', ['mp4', 'mov', 'mkv']],
  ['vp9', '8', 'yuv420p', ['mp4', 'mkv', 'webm']],
  ['av1', '12', 'yuv420p', ['mp4', 'mkv', 'webm']],
  ['prores', '3', 'yuv422p10le', ['mov', 'mkv']],
  ['prores', '4', 'yuv422p10le', ['mov', 'mkv']],
  ['dnxhr', 'hq', 'yuv422p', ['mov', 'mkv']],
  ['dnxhr', '444', 'yuv444p10le', ['mov', 'mkv']],
  ['ffv1', '', 'yuv420p', ['mov', 'mkv']],
];

/** A source of two frames without any tag. */
function untagged(): Promise<string> {
  const options = ['-frames:v', '2', '-c:v', 'ffv1', '-pix_fmt', 'yuv420p'];
  return ffmpegClip('untagged.mkv', [{ from: { lavfi: 'testsrc2=size=64x64:rate=25' } }], options);
}

/** Encodes two frames as `spec` says, and gives the segment. */
async function segmentOf(spec: EncodeSpec) {
  const path = join(clipFolder(), `tagged ${spec.codec}.nut`);
  const encoder = openEncoder(spec, path);
  const frame = new Uint8Array(frameBytes(spec)).fill(100);
  for (let n = 0; n < 2; n++) await encoder.write(frame);
  await encoder.finish();
  return inspectSegment(path);
}

/** What ffprobe says of the one stream of a file. */
async function tagsIn(path: string): Promise<ColourTags> {
  const told = (await runFfprobe(path, ['-show_streams'])) as { streams: Record<string, string>[] };
  const tag = (name: string) => {
    const value = told.streams[0]?.[name];
    return value === 'unknown' || value === 'unspecified' ? undefined : value;
  };
  return {
    matrix: tag('color_space'),
    primaries: tag('color_primaries'),
    transfer: tag('color_transfer'),
    range: tag('color_range') === 'pc' ? 'full' : 'limited',
    chromaLocation: tag('chroma_location'),
  };
}

/** Two frames tagged with `tags`, finished in a file of that container, and what they must be. */
async function finished(way: Way, extension: string, tags: ColourTags) {
  const [codec, preset, pixelFormat] = way;
  const source = await probe(await untagged());
  const pts = [0, 40];
  const streams = { actions: [{ kind: 'video', index: 0 }], notes: [] } as const;
  const video: EncodeSpec = {
    ...{
      codec,
      preset,
      pixelFormat,
      crf: 20,
      width: 256,
      height: 144,
      sample: I420,
      rate: { num: 25, den: 1 },
    },
    ...{ keyframeInterval: 8, matrix: 'bt709', tags, sampleAspectRatio: undefined },
    ...{ threads: 1, picturesAtOnce: 1 },
  };
  const segment = await segmentOf(video);
  const container = containerFor(`x.${extension}`);
  const output = join(clipFolder(), `tagged.${extension}`);
  const parts = { source, streams, container, pts, segments: [segment] };
  const { times } = await assemble({ ...parts, output, tags: codedTags(video) });
  return { output, segment, expected: { ...parts, times, video } };
}

for (const way of WAYS) {
  const [codec, preset, , containers] = way;
  t.test(`${codec} ${preset} keeps its colour tags in ${containers.join(', ')}`, async (t) => {
    for (const [n, extension] of containers.entries()) {
      for (const tags of [HDR, ...(n === 0 ? [FULL] : []), ...(n === 1 ? [PARTIAL] : [])]) {
        const { output, segment, expected } = await finished(way, extension, tags);
        await t.resolves(verifyOutput(output, expected), `${extension}: ${tags.matrix}`);
        const found = await tagsIn(output);
        const wanted = readableTags(expected.video, expected.container);
        for (const [name, value] of Object.entries(wanted)) {
          if (value !== undefined) t.equal(found[name as keyof ColourTags], value, `${extension}: ${name}`);
        }
        if (codec !== 'prores' || tags !== HDR) continue;
        const digests = await packetDigests(output, 'v:0');
        t.same(digests, await packetDigests(segment.path, 'v:0'), `${extension}: packets are as they were`);
      }
    }
  });
}

t.test('a tag that was lost on the way is an error', async (t) => {
  const { output, expected } = await finished(H264, 'mp4', HDR);
  const { video } = expected;
  const lacking = (changed: Partial<ColourTags>, message: RegExp) =>
    t.rejects(verifyOutput(output, { ...expected, video: { ...video, tags: { ...HDR, ...changed } } }), {
      code: 'output',
      message,
    });
  await lacking({ matrix: 'bt709' }, /color_space should be bt709 and is bt2020nc/);
  await lacking({ primaries: 'bt709' }, /color_primaries should be bt709 and is bt2020/);
  await lacking({ transfer: 'bt709' }, /color_transfer should be bt709 and is smpte2084/);
  await lacking({ range: 'full' }, /should be of full range and are tagged tv/);
  await lacking({ chromaLocation: 'left' }, /chroma_location should be left and is topleft/);
  const deep = { ...expected, video: { ...video, pixelFormat: 'yuv420p10le' } };
  const shallow = /its samples should have 10 bits and have 8 \(yuv420p\)/;
  await t.rejects(verifyOutput(output, deep), { code: 'output', message: shallow });
  const fine = { ...expected, video: { ...video, pixelFormat: 'yuv422p' } };
  const coarse = /its chroma should be that of yuv422p and is that of yuv420p/;
  await t.rejects(verifyOutput(output, fine), { code: 'output', message: coarse });
  const lit = { ...expected, video: { ...video, hdr: { light: { content: 1000, average: 400 } } } };
  const dark = /its HDR metadata \(content light level\) is missing or differs/;
  await t.rejects(verifyOutput(output, lit), { code: 'output', message: dark });
});

t.test('tags that only frames tell of are found', async (t) => {
  const tagged = 'setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709';
  const options = ['-frames:v', '2', '-vf', tagged, '-c:v', 'prores_ks', '-pix_fmt', 'yuv422p10le'];
  const more = ['-colorspace', 'bt709', '-color_primaries', 'bt709', '-color_trc', 'bt709'];
  const picture = [{ from: { lavfi: 'testsrc2=size=64x64:rate=25' } }];
  const clip = await ffmpegClip('frames-only.mov', picture, [...options, ...more]);
  const bytes = readFileSync(clip);
  const at = bytes.indexOf('colr');
  if (at >= 0) bytes.write('free', at, 'latin1');
  writeFileSync(clip, bytes);
  const { video } = await probe(clip);
  t.same([video.matrixTag, video.primariesTag, video.transferTag], ['bt709', 'bt709', 'bt709']);
});

t.test('a job keeps odd tags, and says what it takes them for and what it leaves out', async (t) => {
  const folder = t.testdir();
  const model = await identityModel(folder);
  const picture = [{ from: { lavfi: 'testsrc2=size=64x64:rate=25' } }];
  const tags = 'h264_metadata=matrix_coefficients=8:colour_primaries=9:transfer_characteristics=16';
  const clip = await ffmpegClip('ycgco.mp4', picture, [
    ...['-frames:v', '10', '-c:v', 'libx264', '-pix_fmt', 'yuv420p'],
    ...['-bsf:v', `${tags}:chroma_sample_loc_type=5`],
  ]);
  const output = join(folder, 'o.mp4');
  const { code, stderr } = await runJob(0, [clip, output, '--model', model]);
  t.equal(code, 0, stderr);
  t.match(stderr, /colour matrix \(ycgco\) is unknown: colours are read as bt601/);
  t.same(await tagsIn(output), {
    ...{ matrix: 'ycgco', primaries: 'bt2020', transfer: 'smpte2084' },
    ...{ range: 'limited', chromaLocation: 'bottom' },
  });
  const webm = await runJob(0, [clip, join(folder, 'o.webm'), '--codec', 'vp9', '--model', model]);
  t.equal(webm.code, 0, webm.stderr);
  t.match(webm.stderr, /Colour tags are left out \(matrix ycgco, chroma location bottom\): vp9/);
});
