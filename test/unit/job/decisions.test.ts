/** What --verbose says that a job decided. */
import t from 'tap';
import type { JobOptions } from '../../../src/job/context/options.js';
import {
  type DecidedJob,
  type DecidedWork,
  preparedDecisions,
  segmentRecorded,
  workDecisions,
} from '../../../src/job/prepare/decisions.js';
import type { EncodeSpec } from '../../../src/video/codecs/codec.js';

const MIB = 2 ** 20;

/** A job on two ranks, with a bit of everything. */
const JOB = {
  input: { display: 'in.mkv' },
  source: {
    video: { index: 0, codec: 'h264', width: 720, height: 576, pixelFormat: 'yuv422p', frames: 100 },
    streams: [
      { index: 0, type: 'video', codec: 'h264', tags: {} },
      { index: 1, type: 'audio', codec: 'aac', language: 'eng', tags: {} },
      { index: 2, type: 'subtitle', codec: 'subrip', tags: {} },
      { index: 3, type: 'attachment', codec: 'mjpeg', tags: { filename: 'cover.jpg' } },
      { index: 4, type: 'data', codec: 'none', codecTag: 'tmcd', tags: {} },
      { index: 5, type: 'data', codec: 'bin_data', tags: {} },
    ],
  },
  wire: {
    format: { width: 720, height: 576, matrix: 'bt601', range: 'limited' },
    pixelFormat: 'yuv420p',
    filters: ['bwdif=mode=send_frame:parity=tff', 'scale=720:576'],
  },
  model: { name: 'wave', size: 'small', file: '/models/wave.onnx', sha256: 'abc', steady: 0 },
  batch: 1,
  share: 1,
  graph: { window: undefined },
  batchReason: 'a CPU gains nothing from more',
  segmentFrames: 100,
  video: {
    spec: {
      ...{ codec: 'h264', crf: 18, preset: 'medium', pixelFormat: 'yuv420p', width: 1440, height: 1152 },
      ...{ rate: { num: 25, den: 1 }, keyframeInterval: 100 },
    } as EncodeSpec,
    container: { name: 'mkv' },
    streams: {
      actions: [
        { kind: 'video', index: 0 },
        { kind: 'copy', index: 1 },
        { kind: 'convert', index: 2, encoder: 'ass', options: [] },
        { kind: 'attach', index: 3, fileName: 'cover.jpg', mimeType: 'image/jpeg' },
        { kind: 'remade', index: 4 },
        { kind: 'drop', index: 5 },
      ],
      notes: [],
    },
    further: [{ name: 'pha', container: { name: 'mov' }, spec: { width: 720, height: 576 } }],
  },
  table: undefined,
  rate: { num: 25, den: 1 },
  memory: { dryRuns: [], refuseLack: () => {}, needs: () => [400 * MIB, 300 * MIB] },
} as unknown as DecidedJob;

const OPTIONS: Pick<JobOptions, 'split' | 'schedule' | 'tolerant'> = {
  ...{ split: 'frames', schedule: 'even', tolerant: false },
};

const WORK: DecidedWork = {
  mode: 'frames',
  hardware: { nvdec: false, nvenc: false },
  journal: {
    ...{ resumes: 0, segments: [], encoder: { threads: 16, picturesAtOnce: 1 } },
    store: { location: 'out.mkv.framescatter' },
  },
  restored: 0,
};

t.test('before the sessions: input, wire, model, batch, output and the streams that are kept', async (t) => {
  t.same(preparedDecisions(JOB), [
    'input: in.mkv: video stream 0 is h264, 720x576, yuv422p, 100 frames',
    'wire: 720x576, yuv420p, matrix bt601, limited range',
    'model: wave, size small, from /models/wave.onnx, SHA-256 abc',
    'batch: 1 frame per run: a CPU gains nothing from more',
    'output: mkv, 1440x1152',
    'further picture: pha, mov, 720x576',
    'stream: Audio stream 1 (aac, eng) is copied',
    'stream: Attachment 3 (mjpeg, cover.jpg) is attached as a file',
    'stream: Data stream 4 (tmcd) is written anew by the muxer',
  ]);
});

t.test('what is held against flicker, in runs and up to scene cuts', async (t) => {
  const cuts = { threshold: 30, neighbours: false, states: true };
  const graph = { ...JOB.graph, every: 48, cuts } as DecidedJob['graph'];
  const lines = preparedDecisions({ ...JOB, share: 48, model: { ...JOB.model, steady: 0.7 }, graph });
  t.match(lines.slice(4, 7), [
    'states: begin anew every 48 frames; a rank gets 48 at a time',
    'steady: up to 0.7 of the frame before is kept',
    'scene cuts: states stop where two frames are 30 apart',
  ]);
});

t.test('when the work is open: who decodes and encodes, segments, memory and the work folder', async (t) => {
  t.same(workDecisions(OPTIONS, JOB, WORK), [
    'split into frames: --split frames',
    'schedule: even',
    'decoding: in software, as many threads as FFmpeg chooses, filters bwdif=mode=send_frame:parity=tff,scale=720:576',
    'encoding: h264 in software with 16 threads, preset medium, CRF 18, yuv420p',
    'segments: 100 frames (4.00 s at 25/1 per second), a keyframe at least every 100 frames',
    'memory: about 400 MiB for rank 0, up to 300 MiB for each other rank, decoder and encoder included',
    'work folder: out.mkv.framescatter',
  ]);
});

t.test('with segments, whose choice is told elsewhere, there is no schedule and no spool', async (t) => {
  const segments = [{ index: 0, frames: 60, bytes: 1, pts: [] }];
  const work = { ...WORK, mode: 'segments', journal: { ...WORK.journal, resumes: 1, segments } } as const;
  const memory = { ...JOB.memory, needs: () => undefined };
  const lines = workDecisions({ ...OPTIONS, split: 'auto' }, { ...JOB, memory }, work);
  t.match(lines, [
    /^decoding: in software, on every rank/,
    /^encoding: /,
    /^segments: at least 100 frames/,
    /^memory: not known/,
    /^work folder: /,
    /^earlier runs: 1, which left 1 recorded segment, 0 spooled frames$/,
  ]);
});

t.test('engines, one thread for damage, codecs without settings, and what a spool left', async (t) => {
  const engines = { ...WORK, hardware: { nvdec: true, nvenc: true } };
  t.match(workDecisions(OPTIONS, JOB, engines).slice(2, 4), [
    /^decoding: NVDEC, /,
    /^encoding: h264 by NVENC, /,
  ]);
  t.match(workDecisions({ ...OPTIONS, tolerant: true }, JOB, WORK)[2], /one thread/);
  const lossless = {
    ...{ ...JOB, wire: { ...JOB.wire, filters: [] } },
    video: { ...JOB.video, spec: { ...JOB.video?.spec, codec: 'ffv1' } },
  } as DecidedJob;
  const segments = [{ index: 0, frames: 60, bytes: 1, pts: [] }];
  const resumed = { ...WORK, journal: { ...WORK.journal, resumes: 2, segments }, restored: 61 };
  const lines = workDecisions(OPTIONS, lossless, resumed);
  t.match(lines[2], /chooses, no filters$/);
  t.equal(lines[3], 'encoding: ffv1 in software with 16 threads, yuv420p');
  t.match(lines[4], /, every frame a keyframe$/);
  t.equal(lines.at(-1), 'earlier runs: 2, which left 1 recorded segment, 1 spooled frame');
});

t.test('a recorded segment tells its frames', async (t) => {
  t.equal(segmentRecorded(3, 72, 24), 'segment 3 is recorded: frames 72 to 95 (from 0)');
  t.equal(segmentRecorded(0, 0, 1), 'segment 0 is recorded: frame 0 (from 0)');
});
