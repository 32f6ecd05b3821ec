/** PSNR and SSIM: by plain arithmetic, and by FFmpeg's own filters. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { meanSquaredError, overPlanes, psnrOf, ssimOf } from '../../../src/video/compare/sameness.js';
import { type FrameLayout, frameBytes, I420 } from '../../../src/video/formats/frame-format.js';
import { planesOf } from '../../../src/video/frames/turn-frame.js';
import { plainSsim } from '../../fixtures/plain-ssim.js';
import { randomNumbers } from '../../fixtures/random.js';

/** Neither sides nor chroma are multiples of 4. */
const LAYOUT: FrameLayout = { width: 50, height: 39, sample: I420 };
const FRAMES = 3;
const dice = randomNumbers(5);

/** A frame with waves, so that windows have structure. */
const frames = Array.from({ length: FRAMES }, (_, number) =>
  Buffer.from(
    Array.from(
      { length: frameBytes(LAYOUT) },
      (_, at) => 128 + Math.round(90 * Math.sin((at % LAYOUT.width) / 3 + number) * Math.cos(at / 700)),
    ),
  ),
);
const noisy = frames.map((frame, number) =>
  frame.map((level) => Math.min(255, Math.max(0, level + Math.round((dice() - 0.5) * 20 * (number + 1))))),
);
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** The values of FFmpeg's filter, by name. */
function byFfmpeg(folder: string, filter: string): Readonly<Record<string, number>> {
  const [a, b] = [join(folder, 'a.yuv'), join(folder, 'b.yuv')];
  writeFileSync(a, Buffer.concat(frames));
  writeFileSync(b, Buffer.concat(noisy));
  const raw = ['-f', 'rawvideo', '-pix_fmt', 'yuv420p', '-s', `${LAYOUT.width}x${LAYOUT.height}`, '-i'];
  // Without assembly: that of FFmpeg 5.1 for x86 is wrong for planes of some widths, such as 56 samples.
  const args = [
    '-nostdin',
    '-hide_banner',
    '-cpuflags',
    '0',
    ...raw,
    a,
    ...raw,
    b,
    '-lavfi',
    filter,
    '-f',
    'null',
    '-',
  ];
  const { status, stderr } = spawnSync('ffmpeg', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  const line = stderr.split('\n').find((one) => /\] (?:PSNR|SSIM) /.test(one)) ?? '';
  return Object.fromEntries(
    [...line.matchAll(/(\w+):([\d.]+)/g)].map(([, name = '', value]) => [name.toLowerCase(), Number(value)]),
  );
}

t.test('PSNR is that of plain arithmetic and of FFmpeg', async (t) => {
  const errors = frames.map((frame, number) => {
    const [own, its] = [planesOf(frame, LAYOUT), planesOf(noisy[number] ?? frame, LAYOUT)];
    const values = own.map((plane, at) => meanSquaredError(plane, its[at] ?? plane));
    const plain = own.map(({ samples }, at) =>
      mean([...samples].map((level, place) => (level - (its[at]?.samples[place] ?? 0)) ** 2)),
    );
    t.same(
      values.map((value) => value.toFixed(9)),
      plain.map((value) => value.toFixed(9)),
    );
    return [...values, overPlanes(own, values)];
  });
  const told = byFfmpeg(t.testdir({}), 'psnr');
  for (const [at, name] of ['y', 'u', 'v', 'average'].entries()) {
    const ours = psnrOf(mean(errors.map((one) => one[at] ?? 0)));
    t.ok(Math.abs(ours - (told[name] ?? 0)) < 1e-5, `${name}: ${ours} and ${told[name]}`);
  }
  t.equal(psnrOf(0), Number.POSITIVE_INFINITY);
});

t.test('SSIM is that of its definition and of FFmpeg', async (t) => {
  const values = frames.map((frame, number) => {
    const [own, its] = [planesOf(frame, LAYOUT), planesOf(noisy[number] ?? frame, LAYOUT)];
    const similar = own.map((plane, at) => {
      const other = its[at] ?? plane;
      const [ours, plain] = [ssimOf(plane, other), plainSsim(plane, other)];
      t.ok(Math.abs(ours - plain) < 1e-4, `frame ${number}, plane ${at}: ${ours} and ${plain}`);
      t.equal(ssimOf(plane, plane), 1, 'of itself');
      return ours;
    });
    return [...similar, overPlanes(own, similar)];
  });
  const told = byFfmpeg(t.testdir({}), 'ssim');
  for (const [at, name] of ['y', 'u', 'v', 'all'].entries()) {
    const ours = mean(values.map((one) => one[at] ?? 0));
    t.ok(Math.abs(ours - (told[name] ?? 0)) < 2e-6, `${name}: ${ours} and ${told[name]}`);
  }
});
