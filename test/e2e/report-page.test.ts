/** Reports as pages: of real jobs, and in a real browser. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startAzurite, withoutAzurite } from '../fixtures/azurite.js';
import { CHROMIUM, startChromium } from '../fixtures/chromium.js';
import { makeClip } from '../fixtures/clips.js';
import { identityModel, slowModel } from '../fixtures/identity-model.js';
import { endWithin, ourLines, runJob, startJob } from '../fixtures/job.js';
import { modelFolder, pictureIdentity } from '../fixtures/onnx.js';
import { writePhotos } from '../fixtures/photos.js';
import { slowFfmpeg } from '../fixtures/slow-ffmpeg.js';

interface Data {
  readonly frames: number;
  readonly framesMadeInThisRun: number;
  readonly ranks: readonly {
    readonly timeline: { readonly busy: object; readonly frames?: readonly number[] };
  }[];
}

/** The JSON of a page. */
function dataOf(page: string): Data {
  return JSON.parse(
    /<script type="application\/json" id="report">(.*?)<\/script>/s.exec(page)?.[1] ?? '',
  ) as Data;
}

const sum = (values: readonly number[] = []): number => values.reduce((all, value) => all + value, 0);
/** Four pairs of different frames, each the same before and after. */
function samePairs(t: Test, page: string): void {
  const pairs = [...page.matchAll(/class="before" src="([^"]+)"[^>]*><img class="after" src="([^"]+)"/g)];
  t.equal(pairs.length, 4);
  for (const [, before, after] of pairs) t.ok(before === after, 'the same frame before and after');
  t.equal(new Set(pairs.map(([, before]) => before)).size, 4, 'four different frames');
}

const HOSTILE = `<script>alert(1)<%2Fscript>"' onerror=x`;

t.test('a job of two ranks leaves a page that shows it, in any browser, without network', async (t) => {
  const folder = t.testdir();
  const at = (name: string): string => join(folder, name);
  // Without loss: frames before and after are the same, if they are of the same time.
  const [input, output] = [at(`${HOSTILE}.mp4`), at(`${HOSTILE}.mkv`)];
  await fs.copyFile(await makeClip('b-frames'), input);
  const args = [input, output, '--model', await identityModel(folder), '--codec', 'ffv1'];
  const { code, stderr } = await runJob(2, [...args, '--report', at('run.html')]);
  t.equal(code, 0, stderr);
  t.match(
    ourLines(stderr).join('\n'),
    /25 frames, 0:01 of 160x120 h264 to 160x120 ffv1.*every timestamp verified/,
  );
  t.match(stderr, /the pipeline ran at .* of its limit: .* alone does .* fps/);
  const page = await fs.readFile(at('run.html'), 'utf8');
  t.ok(page.length < 1e6, `${page.length} characters`);
  const { frames, ranks } = dataOf(page);
  t.equal(frames, 25);
  t.same(Object.keys(ranks[0]?.timeline.busy ?? {}), ['decode', 'scatter', 'infer', 'gather', 'encode']);
  t.same(Object.keys(ranks[1]?.timeline.busy ?? {}), ['scatter', 'infer', 'gather']);
  t.equal(sum(ranks[0]?.timeline.frames), 25, 'every frame is in a bin');
  samePairs(t, page);

  t.match(
    await runJob(0, [...args, '--overwrite', '--split', 'segments', '--report', at('run.html')]),
    { code: 0 },
    'the page of an earlier run is replaced',
  );
  const [own] = dataOf(await fs.readFile(at('run.html'), 'utf8')).ranks;
  t.equal(sum(own?.timeline.frames), 25, 'frames that only fill a batch do not count');
  t.same(Object.keys(own?.timeline.busy ?? {}), ['decode', 'scatter', 'infer', 'gather', 'encode']);

  await t.test('in Chromium', { skip: CHROMIUM === undefined && 'no Chromium here' }, async (t) => {
    await using browser = startChromium(CHROMIUM ?? '');
    const tab = await browser.open(at('run.html'));
    const clip = () =>
      tab.evaluate<string>(`getComputedStyle(document.querySelector('.pair:not([hidden]) .after')).clipPath`);
    t.equal(
      await tab.evaluate('document.querySelector("h1").textContent'),
      `${HOSTILE}.mkv`,
      'the name as it is',
    );
    t.equal(await tab.evaluate('document.querySelectorAll("img").length'), 16);
    t.equal(
      await tab.evaluate('[...document.images].every((one) => one.naturalWidth > 0)'),
      true,
      'all can be decoded',
    );
    t.equal(
      await tab.evaluate('[...document.images].every((one) => one.alt !== "")'),
      true,
      'and have a text',
    );
    t.equal(await clip(), 'inset(0px 0px 0px 50%)');
    await tab.evaluate('document.querySelector(".compare input").focus()');
    for (const type of ['keyDown', 'keyUp'])
      await tab.send('Input.dispatchKeyEvent', {
        type,
        key: 'ArrowRight',
        code: 'ArrowRight',
        windowsVirtualKeyCode: 39,
      });
    t.equal(await clip(), 'inset(0px 0px 0px 51%)', 'a key moves the divider');
    const [x, y] = await tab.evaluate<readonly [number, number]>(
      `(() => { const box = document.querySelector('.pairs').getBoundingClientRect();
        return [box.left + box.width / 4, box.top + box.height / 2]; })()`,
    );
    for (const type of ['mousePressed', 'mouseReleased'])
      await tab.send('Input.dispatchMouseEvent', { type, x, y, button: 'left', clickCount: 1 });
    const moved = Number(/ ([\d.]+)%\)/.exec(await clip())?.[1]);
    t.ok(moved > 20 && moved < 30, `a click a quarter of the way moves it to ${moved} %`);
    await tab.evaluate('document.querySelectorAll(".choice button")[2].click()');
    t.equal(await tab.evaluate('[...document.querySelectorAll(".pair")].findIndex((one) => !one.hidden)'), 2);

    const back = () => tab.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const light = await back();
    const features = [{ name: 'prefers-color-scheme', value: 'dark' }];
    await tab.send('Emulation.setEmulatedMedia', { features });
    t.not(await back(), light, 'dark where the reader wants it');
    const phone = { width: 360, height: 700, deviceScaleFactor: 1, mobile: true };
    await tab.send('Emulation.setDeviceMetricsOverride', phone);
    t.equal(await tab.evaluate('document.documentElement.scrollWidth'), 360, 'no page wider than a phone');
    await tab.send('Emulation.setEmulatedMedia', { media: 'print', features });
    t.equal(
      await tab.evaluate(`getComputedStyle(document.querySelector('.pair[hidden]')).display`),
      'grid',
      'paper shows all frames',
    );
    t.same(tab.requests, [], 'nothing is asked for');
    t.same(tab.errors, [], 'no error of a script, and nothing against the policy');
  });
});

t.test('frames are found at their times, whatever clock and index a file has', async (t) => {
  const folder = t.testdir();
  const [output, report] = [join(folder, 'o.mkv'), join(folder, 'run.html')];
  const model = await identityModel(folder);
  for (const kind of ['late-ts', 'edit-list', 'vfr-mp4', 'rotated'] as const) {
    const args = [await makeClip(kind), output, '--model', model, '--codec', 'ffv1', '--overwrite'];
    t.match(await runJob(0, [...args, '--restart', '--report', report]), { code: 0 }, kind);
    samePairs(t, await fs.readFile(report, 'utf8'));
  }
});

t.test('the page of a resumed job says what was kept', async (t) => {
  const folder = t.testdir();
  const report = join(folder, 'run.html');
  const args = [await makeClip('long-gop'), join(folder, 'out.mp4'), '--model', await slowModel(folder)];
  const words = [...args, '--segment-seconds', '1.6', '--report', report, '--verbose'];
  const job = startJob(0, words, { env: slowFfmpeg(folder) });
  while (!/segment 1 is recorded/.test(job.stderr()))
    if ((await endWithin(job, 50)) !== undefined) throw new Error(`ended early: ${job.stderr()}`);
  process.kill(job.pid, 'SIGTERM');
  t.equal((await job.result).code, 75);
  const { code, stderr } = await runJob(2, words);
  t.equal(code, 0, stderr);
  t.match(stderr, /resumed: \d+ frames of 1 earlier run were kept/);
  const page = await fs.readFile(report, 'utf8');
  const { frames, framesMadeInThisRun: made, ranks } = dataOf(page);
  t.ok(made < frames && made > 0, `${made} of ${frames}`);
  t.equal(sum(ranks[0]?.timeline.frames), made, 'only frames of this run are counted');
  t.match(page, `${frames - made} frames of earlier runs were kept, and this run made ${made}.`);
});

t.test('pictures and many videos have pages too', async (t) => {
  const folder = t.testdir({ in: {}, model: modelFolder(pictureIdentity()) });
  const at = (...names: string[]): string => join(folder, ...names);
  await writePhotos(at('photos'), 5);
  const model = ['--model', at('model', 'model.onnx')];
  const made = await runJob(0, [at('photos'), '--out-dir', at('out'), ...model, '--report', at('p.html')]);
  t.equal(made.code, 0, made.stderr);
  const pictures = await fs.readFile(at('p.html'), 'utf8');
  t.equal(pictures.match(/class="pair"/g)?.length, 4);
  t.match(pictures, /<b>5 of 5<\/b>/);
  t.match(pictures, /Pictures per second over time/);

  await fs.copyFile(await makeClip('one-frame'), at('in', 'a.mp4'));
  await fs.writeFile(at('in', 'b.mp4'), 'no video');
  const args = [at('in'), '--out-dir', at('videos'), '--model', await identityModel(folder)];
  t.match(await runJob(0, [...args, '--report', at('q.html')]), { code: 1 });
  const queue = await fs.readFile(at('q.html'), 'utf8');
  t.match(queue, /1 done, 1 failed/);
  t.match(queue, /<td>failed<\/td>.*b\.mp4/s);
  const [, before, after] = /class="sides"><img src="([^"]+)"[^>]*><img src="([^"]+)"/.exec(queue) ?? [];
  t.match(before, /^data:image\/jpeg;base64,/, 'a frame of the video');
  t.match(after, /^data:image\/jpeg;base64,/, 'and of its output');
  t.match(queue, /<b>a\.mp4<\/b>: 0:0\d at [\d.]+ fps, /);
});

t.test('an output in Blob storage is shown too, from before it left', { skip: withoutAzurite }, async (t) => {
  const azurite = await startAzurite();
  t.teardown(() => azurite.stop());
  const folder = t.testdir({ tmp: {} });
  const container = await azurite.container('films');
  await container.getBlockBlobClient('in.mp4').uploadFile(await makeClip('cfr'));
  const at = (name: string, rights: string): string =>
    `${azurite.endpoint}/films/${name}?${azurite.sas('films', rights)}`;
  const places = [at('in.mp4', 'r'), at('out.mkv', 'rwdl')];
  const report = join(folder, 'run.html');
  const args = [...places, '--model', await identityModel(folder), '--codec', 'ffv1', '--report', report];
  const { code, stderr } = await runJob(0, args, { env: { TMPDIR: join(folder, 'tmp') } });
  t.equal(code, 0, stderr);
  const page = await fs.readFile(report, 'utf8');
  samePairs(t, page);
  t.notMatch(page, 'sig=');
  const there: string[] = [];
  for await (const { name } of container.listBlobsFlat()) there.push(name);
  t.same(there, ['in.mp4', 'out.mkv'], 'the work is removed');
  t.same(
    (await fs.readdir(join(folder, 'tmp'))).filter((name) => name.startsWith('framescatter-')),
    [],
  );
});
