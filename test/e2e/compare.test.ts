/** Comparisons as users run them: values that plain arithmetic gives, what is refused, and the page in a browser. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { ComparisonReport } from '../../src/job/compare/comparison-facts.js';
import { runFfmpeg } from '../../src/video/ffmpeg/ffmpeg.js';
import { startAzurite, withoutAzurite } from '../fixtures/azurite.js';
import { CHROMIUM, startChromium } from '../fixtures/chromium.js';
import { makeClip } from '../fixtures/clips.js';
import { ourLines, type RunResult, runJob, startJob } from '../fixtures/job.js';
import { plainSsim } from '../fixtures/plain-ssim.js';
import { randomNumbers } from '../fixtures/random.js';
import { slowFfmpeg } from '../fixtures/slow-ffmpeg.js';
import { until } from '../fixtures/until.js';
import { vmafFfmpeg } from '../fixtures/vmaf-ffmpeg.js';

const [WIDTH, HEIGHT] = [64, 48];
const LUMA = WIDTH * HEIGHT;
const PLANES = [
  { first: 0, width: WIDTH, height: HEIGHT },
  { first: LUMA, width: WIDTH / 2, height: HEIGHT / 2 },
  { first: LUMA + LUMA / 4, width: WIDTH / 2, height: HEIGHT / 2 },
] as const;
const BYTES = (LUMA * 3) / 2;

/** A frame of grey texture that does not move. */
const texture = Buffer.from(
  Array.from({ length: BYTES }, (_, at) =>
    at < LUMA
      ? 110 + Math.round(40 * Math.sin((at % WIDTH) / 4) * Math.cos(Math.floor(at / WIDTH) / 5))
      : 128,
  ),
);

/** Makes a lossless clip of frames, 5 a second. */
async function clipOf(
  path: string,
  frames: readonly Buffer[],
  options: readonly string[] = [],
  size = `${WIDTH}x${HEIGHT}`,
): Promise<string> {
  const raw = `${path}.yuv`;
  await fs.writeFile(raw, Buffer.concat(frames));
  const input = ['-f', 'rawvideo', '-pix_fmt', 'yuv420p', '-video_size', size, '-framerate', '5'];
  await runFfmpeg({
    task: 'making a clip',
    inputs: [{ from: { file: raw }, options: input }],
    outputs: [{ to: { file: path }, options: ['-c:v', 'ffv1', ...options] }],
  });
  await fs.rm(raw);
  return path;
}

/** Compares, and returns the report. */
async function compared(
  t: Test,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<ComparisonReport> {
  const { code, stdout, stderr } = await runJob(0, ['compare', ...args, '--json'], { env });
  t.equal(code, 0, stderr);
  return JSON.parse(stdout) as ComparisonReport;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const near = (
  t: Test,
  value: number | null | undefined,
  expected: number,
  most: number,
  what: string,
): void => {
  t.ok(Math.abs((value ?? Number.NaN) - expected) <= most, `${what}: ${value}, expected ${expected}`);
};

t.test('PSNR and SSIM are those of the raw frames', async (t) => {
  const folder = t.testdir({});
  const at = (name: string): string => join(folder, name);
  const dice = randomNumbers(3);
  const frames = Array.from({ length: 12 }, () => texture);
  // Two frames stay; of the others, the ninth is the worst.
  const noisy = frames.map((frame, number) => {
    const most = number === 3 || number === 4 ? 0 : number === 8 ? 60 : 4 + number;
    return Buffer.from(
      frame.map((level) => Math.max(0, Math.min(255, level + Math.round((dice() - 0.5) * most)))),
    );
  });
  const [a, b] = [await clipOf(at('a.mkv'), frames), await clipOf(at('b.mkv'), noisy)];
  const report = await compared(t, [a, b, '--report', at('r.json')]);
  t.same(JSON.parse(await fs.readFile(at('r.json'), 'utf8')), report, 'the report holds what is printed');

  const errors = frames.map((frame, number) =>
    [...frame].map((level, place) => (level - (noisy[number]?.[place] ?? 0)) ** 2),
  );
  const decibels = (error: number): number => 10 * Math.log10(255 ** 2 / error);
  const { psnr, ssim, perFrame } = report;
  t.match(report, {
    report: 1,
    kind: 'comparison',
    frames: 12,
    seconds: 2.2,
    sameFrames: 2,
    sameFiles: false,
  });
  near(t, psnr.all, decibels(mean(errors.flat())), 1e-6, 'PSNR of all samples');
  for (const [plane, name] of (['y', 'u', 'v'] as const).entries()) {
    const { first = 0, width = 0, height = 0 } = PLANES[plane] ?? {};
    const own = errors.map((one) => one.slice(first, first + width * height));
    near(t, psnr[name], decibels(mean(own.flat())), 1e-6, `PSNR of ${name}`);
    const planeOf = (frame: Buffer | undefined) => ({
      samples: (frame ?? texture).subarray(first, first + width * height),
      ...{ width, height },
    });
    const plain = frames.map((frame, number) => plainSsim(planeOf(frame), planeOf(noisy[number])));
    near(t, ssim?.[name], mean(plain), 1e-4, `SSIM of ${name}`);
  }
  const differing = errors.map(mean).filter((error) => error > 0);
  near(t, psnr.meanOfFrames, mean(differing.map(decibels)), 1e-6, 'mean PSNR of the frames that differ');
  t.match(psnr.worst, { frame: 9, seconds: 1.6 });
  near(t, psnr.worst?.value, decibels(mean(errors[8] ?? [])), 1e-6, 'PSNR of the worst frame');
  t.match(ssim?.worst, { frame: 9 });
  t.same([perFrame.psnr[3], perFrame.psnr[4]], [null, null], 'infinite');
  t.same([perFrame.psnr.length, perFrame.ssim.length, perFrame.seconds[11]], [12, 12, 2.2]);

  const text = await runJob(0, ['compare', a, b, '--quiet']);
  t.match(text, { code: 0, stderr: '' });
  t.match(text.stdout, /^frames +10 of 12 frames differ, 2 are bit for bit the same/m);
  t.match(text.stdout, new RegExp(`^PSNR +${psnr.all?.toFixed(2)} dB `, 'm'));
  t.match(text.stdout, /worst [\d.]+ dB, frame 9 at 0:01\.6$/m);
});

t.test('the same frames, whatever holds them, are said to be the same', async (t) => {
  const folder = t.testdir({});
  const at = (name: string): string => join(folder, name);
  const clip = await makeClip('vfr-mp4');
  const remade = ['-fps_mode', 'passthrough', '-enc_time_base', '1/90000', '-c:v', 'ffv1', '-an'];
  await runFfmpeg({
    task: 'making a clip',
    inputs: [{ from: { file: clip } }],
    outputs: [{ to: { file: at('b.mkv') }, options: remade }],
  });
  const said = async (...names: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await runJob(0, ['compare', ...names]);
    t.equal(code, 0, stderr);
    return stdout;
  };
  t.match(await said(clip, at('b.mkv')), /^frames +bit for bit the same: all 25 frames$/m, 'at uneven times');
  const few = [texture, texture, texture];
  const deep = await clipOf(at('ten-bit.mkv'), few, ['-pix_fmt', 'yuv420p10le']);
  t.match(await said(deep, deep), /^frames +the same file: every byte, and all 3 frames$/m);
  await fs.copyFile(deep, at('deep.mkv'));
  await fs.appendFile(at('deep.mkv'), Buffer.from([0xec, 0x81, 0x00])); // a Void element
  const text = await said(deep, at('deep.mkv'));
  t.match(text, /^frames +the same at 8 bits, 4:2:0: all 3 frames$/m);
  t.match(text, /^note +".*ten-bit\.mkv" is yuv420p10le: compared at 8 bits, 4:2:0$/m);
  const odd = await compared(t, [await makeClip('odd'), await makeClip('odd')]);
  t.match(odd, { sameFrames: 5, psnr: { all: null, worst: null }, ssim: { all: 1 } });
});

t.test('the warping error is that of the flicker, by the motion of the source', async (t) => {
  const folder = t.testdir({});
  const at = (name: string): string => join(folder, name);
  const lighter = (frame: Buffer, levels: number): Buffer =>
    Buffer.from(frame.map((level, place) => (place < LUMA ? level + levels : level)));
  const frames = Array.from({ length: 8 }, () => texture);
  const still = await clipOf(at('still.mkv'), frames);
  const flickering = await clipOf(
    at('flickers.mkv'),
    frames.map((frame, number) => lighter(frame, number % 2 ? 6 : -6)),
  );
  const { warpingError } = await compared(t, [still, flickering]);
  t.match(warpingError, {
    reference: 0,
    source: null,
    width: WIDTH,
    height: HEIGHT,
    pairs: 7,
    cuts: 0,
    seen: 1,
  });
  // 12 levels of limited range, as a part of the whole.
  near(t, warpingError.other, (12 / 219) ** 2, 0.03 * (12 / 219) ** 2, 'flicker of 12 levels');

  const withSource = await compared(t, [flickering, flickering, '--source', still]);
  t.same(withSource.warpingError, { ...warpingError, reference: warpingError.other, source: 0 });
  t.equal(withSource.source?.path, still);
  const text = await runJob(0, ['compare', still, flickering, '--source', still]);
  t.match(
    text.stdout,
    /^warping +A 0\.00, B 3\.0\d, source 0\.00 \(error times 1000; lower means less flicker\)$/m,
  );
  t.match(text.stdout, /B flickers more than A$/m);

  // The source may be smaller or larger: upscaled results have its motion.
  const large = await clipOf(
    at('large.mkv'),
    frames.map(() => Buffer.alloc(4 * BYTES, 128)),
    [],
    `${2 * WIDTH}x${2 * HEIGHT}`,
  );
  t.match((await compared(t, [still, flickering, '--source', large])).warpingError, { pairs: 7, source: 0 });

  const other = Buffer.from(
    texture.map((level, place) => (place < LUMA ? 255 - level : place % 2 ? 60 : 200)),
  );
  const cut = await clipOf(
    at('cut.mkv'),
    frames.map((frame, number) => (number < 5 ? frame : other)),
  );
  t.match(
    (await compared(t, [cut, cut])).warpingError,
    { reference: 0, pairs: 6, cuts: 1 },
    'cuts are no flicker',
  );
});

t.test('what cannot be compared is refused with one sentence', async (t) => {
  const folder = t.testdir({ 'words.mp4': 'no video', 'mine.html': '<p>mine</p>' });
  const at = (name: string): string => join(folder, name);
  const frames = Array.from({ length: 6 }, () => texture);
  const a = await clipOf(at('a.mkv'), frames);
  const short = await clipOf(at('short.mkv'), frames.slice(1));
  const fast = await clipOf(at('fast.mkv'), frames, ['-vf', 'setpts=PTS*0.9', '-fps_mode', 'passthrough']);
  const wide = await clipOf(at('wide.mkv'), frames, [], `${2 * WIDTH}x${HEIGHT / 2}`);
  const whole = await fs.readFile(await makeClip('cfr'));
  await fs.writeFile(at('cut.mp4'), whole.subarray(0, whole.length / 2));
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [[a, wide], /different sizes .*a\.mkv" has 64x48, ".*wide\.mkv" has 128x24\n.*scale one of them/],
    [[a, short], /different numbers of frames: ".*short\.mkv" ends after 5, ".*a\.mkv" has more/],
    [[short, a], /".*short\.mkv" ends after 5, ".*a\.mkv" has more/],
    [
      [a, fast],
      /frame \d is shown at different times: at 0\.[246]00 s in ".*a\.mkv", at 0\.\d+ s in ".*fast\.mkv"/,
    ],
    [[a, a, '--source', wide], /source has frames of another shape: ".*wide\.mkv" has 128x24/],
    [[a, a, '--source', short], /different numbers of frames: ".*short\.mkv" ends after 5/],
    [[a, at('none.mkv')], /none\.mkv/],
    [[a, at('words.mp4')], /words\.mp4/],
    [[a, at('cut.mp4')], /cut\.mp4/],
    [[await makeClip('sound-only'), a], /sound-only\.m4a/],
    [[a, a, '--report', at('mine.html')], /mine\.html exists and is not a report/],
  ];
  for (const [args, message] of cases) {
    const { code, stdout, stderr }: RunResult = await runJob(0, ['compare', ...args, '--quiet']);
    t.match({ code, stdout, stderr }, { code: 1, stdout: '', stderr: message });
    t.ok(ourLines(stderr).length <= 2, stderr); // and a hint
  }
  t.equal(await fs.readFile(at('mine.html'), 'utf8'), '<p>mine</p>');
});

t.test('VMAF comes from libvmaf, where FFmpeg has it', async (t) => {
  const folder = t.testdir({ "it's [a]: b,c;d\\e": {} });
  const at = (name: string): string => join(folder, name);
  const frames = Array.from({ length: 6 }, () => texture);
  const noisy = frames.map((frame, number) => Buffer.from(frame.map((level) => level + (number % 3))));
  const [a, b] = [
    await clipOf(at('a.mkv'), frames),
    await clipOf(at('b.mkv'), noisy, ['-r', '5', '-copyts']),
  ];
  // The stand-in gives the PSNR of the frames that it pairs. Scratch folders may have any name.
  const env = { FFMPEG_PATH: vmafFfmpeg(folder), TMPDIR: at("it's [a]: b,c;d\\e") };
  const { vmaf, perFrame } = await compared(t, [a, b], env);
  t.same(
    perFrame.vmaf,
    perFrame.psnr.map((value) => (value === null ? 100 : Number(value.toFixed(2)))),
  );
  t.match(vmaf, { worst: { frame: 3 } });
  t.same((await fs.readdir(at("it's [a]: b,c;d\\e"))).length, 0, 'nothing is left over');
});

t.test('videos in Blob storage, of one name', { skip: withoutAzurite }, async (t) => {
  const folder = t.testdir({ scratch: {} });
  const azurite = await startAzurite();
  t.teardown(() => azurite.stop());
  const container = await azurite.container('videos');
  const frames = Array.from({ length: 4 }, (_, number) =>
    Buffer.from(texture.map((level) => level + number)),
  );
  const lighter = frames.map((frame) => Buffer.from(frame.map((level) => level + 1)));
  const a = await clipOf(join(folder, 'a.mkv'), frames);
  const b = await clipOf(join(folder, 'b.mkv'), lighter);
  await container.getBlockBlobClient('a/x.mkv').uploadFile(a);
  await container.getBlockBlobClient('b/x.mkv').uploadFile(b);
  const sas = azurite.sas('videos', 'r');
  const address = (name: string): string => `${azurite.endpoint}/videos/${name}?${sas}`;
  const report = await compared(t, [address('a/x.mkv'), address('b/x.mkv'), '--source', a], {
    TMPDIR: join(folder, 'scratch'),
  });
  t.match(report, { sameFrames: 0, frames: 4, other: { path: `${azurite.endpoint}/videos/b/x.mkv` } });
  near(t, report.psnr.all, 20 * Math.log10(255), 1e-6, 'PSNR of one level');
  t.same(await fs.readdir(join(folder, 'scratch')), [], 'nothing is left over');
});

t.test('a signal ends it, and nothing is written', async (t) => {
  const folder = t.testdir({ bin: {}, scratch: {} });
  const clip = await makeClip('long-gop');
  const args = ['compare', clip, clip, '--report', join(folder, 'r.html')];
  const env = { ...slowFfmpeg(join(folder, 'bin')), TMPDIR: join(folder, 'scratch') };
  const job = startJob(0, args, { env });
  await until('it is under way', async () => job.stderr().includes('comparing '));
  process.kill(job.pid, 'SIGINT');
  const { code, stdout, stderr } = await job.result;
  t.match(
    { code, stdout, stderr },
    { code: 75, stdout: '', stderr: /stopped by SIGINT; nothing was written/ },
  );
  t.same(await fs.readdir(folder), ['bin', 'scratch']);
  t.same(await fs.readdir(join(folder, 'scratch')), []);
});

const HOSTILE = `<script>alert(1)<%2Fscript>"' onerror=x`;

t.test('the page shows it, in any browser, without network', async (t) => {
  const folder = t.testdir({});
  const at = (name: string): string => join(folder, name);
  const clip = await makeClip('cfr');
  const rough = ['-c:v', 'libx264', '-qp', '45', '-an', '-threads', '1'];
  await runFfmpeg({
    task: 'making a clip',
    inputs: [{ from: { file: clip } }],
    outputs: [{ to: { file: at(`${HOSTILE}.mp4`) }, options: rough }],
  });
  const { code, stderr } = await runJob(0, [
    'compare',
    clip,
    at(`${HOSTILE}.mp4`),
    '--report',
    at('c.html'),
    '-q',
  ]);
  t.equal(code, 0, stderr);
  const page = await fs.readFile(at('c.html'), 'utf8');
  t.ok(page.length < 1e6, `${page.length} characters`);
  t.match(page, /25 of 25 frames differ/);
  await t.test('in Chromium', { skip: CHROMIUM === undefined && 'no Chromium here' }, async (t) => {
    await using browser = startChromium(CHROMIUM ?? '');
    const tab = await browser.open(at('c.html'));
    const count = (selector: string) =>
      tab.evaluate(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
    t.equal(await tab.evaluate('document.querySelector("h1").textContent'), `cfr.mp4 and ${HOSTILE}.mp4`);
    t.equal(await count('.trio'), 1, 'one second has one worst frame');
    t.equal(await count('.trio img'), 3);
    t.equal(
      await tab.evaluate('[...document.images].every((one) => one.naturalWidth > 0 && one.alt !== "")'),
      true,
    );
    t.same(await tab.evaluate('[...document.querySelectorAll("section")].map((one) => one.id)'), [
      'measures',
      'psnr',
      'ssim',
      'warping',
      'worst',
      'files',
    ]);
    t.match(
      await tab.evaluate('document.querySelector("#psnr svg").getAttribute("aria-label")'),
      /^B beside A: from [\d.]+ dB to [\d.]+ dB$/,
    );
    t.equal(await count('#warping path'), 2);
    t.not(await tab.evaluate('getComputedStyle(document.querySelector("#psnr path")).stroke'), 'none');
    await tab.send('Emulation.setDeviceMetricsOverride', {
      width: 360,
      height: 700,
      deviceScaleFactor: 1,
      mobile: true,
    });
    t.equal(await tab.evaluate('document.documentElement.scrollWidth'), 360, 'no page wider than a phone');
    t.match(JSON.parse(await tab.evaluate('document.getElementById("report").textContent')), { frames: 25 });
    t.same(tab.requests, [], 'nothing is asked for');
    t.same(tab.errors, [], 'no error of a script, and nothing against the policy');
  });
});
