/** The status page of a watcher at work, and the pages of its jobs, in a real browser. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { CHROMIUM, startChromium } from '../fixtures/chromium.js';
import { makeClip } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { until } from '../fixtures/until.js';
import { FAST, STATE, startWatcher } from '../fixtures/watcher.js';

const HOSTILE = `<script>alert(1)<%2Fscript>"' onerror=x.mp4`;

interface Shown {
  readonly counts: Readonly<Record<string, number>>;
  readonly failed: readonly { readonly video: string; readonly reason: string }[];
  readonly done: readonly { readonly video: string; readonly report: string | null }[];
}

t.test('a watcher with a status page and reports, looked at in Chromium', async (t) => {
  const folder = t.testdir({ in: { sub: {}, 'poison.mp4': 'this is no video' }, out: {}, other: {} });
  const at = (...names: string[]): string => join(folder, ...names);
  const clip = await makeClip('one-frame');
  await fs.copyFile(clip, at('in', 'sub', HOSTILE));
  const args = [at('in'), '--out', at('out'), '--poll', '0.2', '--tries', '1'];
  const words = ['--', '--model', await identityModel(folder), ...FAST];
  const watcher = startWatcher([...args, ...['--status-port', '0', '--report-dir', at('pages'), ...words]]);
  t.teardown(() => watcher.kill());
  const urlOf = (): string | undefined =>
    /the status page is at (http:\/\/127\.0\.0\.1:\d+\/)/.exec(watcher.stderr())?.[1];
  await until('the page is served', async () => urlOf() !== undefined);
  const url = urlOf() ?? '';
  const shown = async (): Promise<Shown> => (await (await fetch(`${url}status.json`)).json()) as Shown;
  await until('both videos are settled', async () => {
    const { counts } = await shown();
    return counts.done === 1 && counts.failed === 1;
  });
  const { failed, done } = await shown();
  t.match(failed, [{ video: 'poison.mp4', reason: /poison\.mp4/ }]);
  t.match(done, [{ video: `sub/${HOSTILE}`, report: /^\/reports\/[0-9a-f]{32}$/ }]);
  t.same(await fs.readdir(at('pages', 'sub')), [`${HOSTILE}.html`], 'a page beside its kind');
  const report = new URL(done[0]?.report ?? '', url).href;
  t.match(await (await fetch(report)).text(), /^<!doctype html>\n<!-- framescatter report 1 -->/);

  await t.test('a port that is taken ends a watcher before it takes a video', async (t) => {
    await fs.copyFile(clip, at('other', 'a.mp4'));
    const port = new URL(url).port;
    const second = startWatcher([
      at('other'),
      '--out',
      at('out2'),
      '--status-port',
      port,
      '--once',
      ...words,
    ]);
    const { code, stderr } = await second.result;
    t.equal(code, 1, stderr);
    t.match(stderr, `the status page cannot be served on port ${port}: another program uses it`);
    t.notMatch(stderr, /started/);
    t.same(await fs.readdir(at('out2', STATE)).catch(() => []), [], 'nothing is claimed');
  });

  await t.test('in Chromium', { skip: CHROMIUM === undefined && 'no Chromium here' }, async (t) => {
    await using browser = startChromium(CHROMIUM ?? '');
    const tab = await browser.open(url);
    const text = (selector: string) =>
      tab.evaluate<string>(`document.querySelector(${JSON.stringify(selector)}).textContent`);
    t.match(await text('#failed'), /poison\.mp4/);
    t.equal(await text('#done td'), `sub/${HOSTILE}`, 'the name as it is');
    t.match(await text('[data-part=counts]'), /0running0waiting1set aside1done/);
    await tab.evaluate('document.querySelector("#done a").focus()');
    await fs.copyFile(clip, at('in', 'b.mp4'));
    await until('the page shows the new video by itself', async () =>
      /b\.mp4/.test(await text('[data-part=done]')),
    );
    t.equal(
      await tab.evaluate('document.activeElement.getAttribute("href")'),
      done[0]?.report,
      'and the focus stays on its link',
    );

    const back = () => tab.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const light = await back();
    const features = [{ name: 'prefers-color-scheme', value: 'dark' }];
    await tab.send('Emulation.setEmulatedMedia', { features });
    t.not(await back(), light, 'dark where the reader wants it');
    const phone = { width: 360, height: 700, deviceScaleFactor: 1, mobile: true };
    await tab.send('Emulation.setDeviceMetricsOverride', phone);
    t.equal(await tab.evaluate('document.documentElement.scrollWidth'), 360, 'no page wider than a phone');
    await tab.send('Emulation.setEmulatedMedia', { media: 'print' });
    t.equal(await tab.evaluate('getComputedStyle(document.querySelector(".scroll")).maxHeight'), 'none');
    t.same(tab.errors, [], 'no error of a script, and nothing against the policy');
    t.same(tab.requests, [], 'only its own server is asked');

    const page = await browser.open(report);
    t.equal(await page.evaluate('document.querySelector("h1").textContent'), HOSTILE);
    t.equal(await page.evaluate('document.querySelectorAll(".compare.live").length'), 1, 'its script runs');
    t.equal(await page.evaluate('self.origin'), 'null', 'without an origin');
    t.same(page.errors, []);

    await tab.send('Page.bringToFront');
    process.kill(watcher.pid, 'SIGTERM');
    const { code, stderr } = await watcher.result;
    t.equal(code, 0, stderr);
    await until('the page says that it is old', async () => /does not answer/.test(await text('#alive')));
  });
});
