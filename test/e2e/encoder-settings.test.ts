/** --bitrate and --encoder-option: what reaches the encoders, one value on any ranks, and what is refused. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { ENCODER_WORK } from '../../src/job/journal/work.js';
import { CODECS, type EncodeSpec } from '../../src/video/codecs/codec.js';
import { CODEC_FACTS, codecDefaults } from '../../src/video/codecs/codecs.js';
import { I420 } from '../../src/video/formats/frame-format.js';
import { openEncoder } from '../../src/video/frames/encode.js';
import { encodeGrey, plainSpec } from '../../src/video/frames/nvidia-trial.js';
import { makeClip } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { probed, runJob } from '../fixtures/job.js';
import { runUntil } from '../fixtures/port-jobs.js';

t.setTimeout(600_000);

/** Values that each option takes. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  tune: ['film', 'grain', '0', '1'],
  profile: ['high', 'main', 'main10', 'baseline'],
  level: ['4.1'],
  'tune-content': ['film'],
  quant_mat: ['hq'],
  bits_per_mb: ['200'],
  coder: ['range_tab'],
};
const NUMBERS = ['0', '1', '2.5', '5', '25'];

t.test('every option of the table is one that its encoder takes', async (t) => {
  const folder = t.testdir();
  for (const codec of CODECS) {
    const { settings, pixelFormat } = CODEC_FACTS[codec];
    const { preset } = codecDefaults(codec);
    const plain: EncodeSpec = {
      ...plainSpec(256, 144),
      ...{ codec, ...codecDefaults(codec), ...ENCODER_WORK },
      pixelFormat: pixelFormat({ width: 256, height: 144, sample: I420 }, preset),
    };
    for (const [name, { allows }] of Object.entries(settings)) {
      const values = [...(VALUES[name] ?? []), ...NUMBERS].filter(allows);
      const value = values.at(-1) ?? '';
      const path = join(folder, `${codec}-${name}.nut`);
      // 10 bits where the profile is one of 10.
      const spec = value === 'main10' ? { ...plain, pixelFormat: 'yuv420p10le' } : plain;
      const encoder = openEncoder({ ...spec, settings: [[name, value]] }, path);
      await t.resolves(encodeGrey(encoder, spec), `${codec} ${name}=${value}`);
    }
  }
});

t.test('a bit rate and options give one file on any ranks, killed or not', async (t) => {
  const folder = t.testdir();
  const [clip, model] = [await makeClip('open-gop'), await identityModel(folder)];
  for (const [codec, words, killed] of [
    ['h264', '--bitrate 60k --encoder-option tune=grain --encoder-option aq-mode=3', true],
    ['av1', '--bitrate 60k --encoder-option film-grain=20', false],
  ] as const) {
    const files: Buffer[] = [];
    for (const ranks of [0, 3]) {
      const output = join(folder, `${codec}-${ranks}.mp4`);
      const job = [
        clip,
        output,
        '--codec',
        codec,
        '--model',
        model,
        '--segment-seconds',
        '4',
        '--provider',
        'cpu',
      ];
      const all = [...job, ...words.split(' ')];
      if (killed && ranks > 0) {
        t.not((await runUntil(50, ranks, all)).code, 0, 'it is killed');
        for (const [other, key] of [
          [all.toSpliced(all.indexOf('60k'), 1, '80k'), /bitrate/],
          [all.toSpliced(all.indexOf('tune=grain'), 1, 'tune=film'), /encoder options/],
        ] as const) {
          const refused = await runJob(0, other);
          t.not(refused.code, 0);
          t.match(refused.stderr, key, 'another value is refused');
        }
      }
      const { code, stderr } = await runJob(ranks, all);
      t.equal(code, 0, stderr);
      if (killed && ranks > 0) t.match(stderr, /resuming after/);
      files.push(await fs.readFile(output));
      const [stream] = probed(output).streams.filter(({ codec_type }) => codec_type === 'video');
      const rate = Number(stream?.bit_rate);
      t.ok(rate > 30_000 && rate < 120_000, `${codec}: ${rate} bits per second`);
    }
    t.ok(files[0]?.equals(files[1] ?? Buffer.of()), codec);
  }
});

t.test('what the encoder of this size or format does not take is refused before any work', async (t) => {
  const folder = t.testdir();
  const [clip, model] = [await makeClip('cfr'), await identityModel(folder)];
  const output = join(folder, 'out.mkv');
  for (const [words, message] of [
    ['--codec av1 --resize 50x50 --encoder-option film-grain=8', /libaom encodes AV1 of 50x50/],
    ['--depth 10 --encoder-option profile=main', /the encoder refuses --encoder-option profile=main: /],
  ] as const) {
    const { code, stderr } = await runJob(0, [clip, output, '--model', model, ...words.split(' ')]);
    t.equal(code, 1, words);
    t.match(stderr, message);
    t.same(
      (await fs.readdir(folder)).filter((name) => name.startsWith('out')),
      [],
    );
  }
});
