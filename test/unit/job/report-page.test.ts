import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { picturesPage } from '../../../src/job/report/page/pictures-page.js';
import { queuePage } from '../../../src/job/report/page/queue-page.js';
import { runPage } from '../../../src/job/report/page/run-page.js';
import { STYLE } from '../../../src/job/report/page/style.js';
import { picturesReport } from '../../../src/job/report/pictures-report.js';
import { hasRoomForFrames, queueReport } from '../../../src/job/report/queue-report.js';
import { type RunFacts, runReport } from '../../../src/job/report/run-report.js';
import { takeStills } from '../../../src/job/report/stills.js';
import { throughputOf, timelineOf } from '../../../src/job/report/timeline.js';
import { refuseForeignReport, writeReport } from '../../../src/job/report/write-report.js';
import { JobError } from '../../../src/system/errors.js';
import { probe } from '../../../src/video/source/probe.js';
import { makeClip } from '../../fixtures/clips.js';
import { HOSTILE, rankReport, runFacts } from '../../fixtures/report-facts.js';

const JPEG = Buffer.from('ffd8ffd9', 'hex');
const STILLS = {
  pairs: [{ name: '0:02.00', before: JPEG, after: JPEG }],
  strip: [{ name: '0:01.00', image: JPEG }],
  note: undefined,
};
const pageOf = (facts: RunFacts): string => runPage(runReport(facts), facts.stills);

/** The headings of a page. */
const headings = (page: string): readonly (string | undefined)[] =>
  [...page.matchAll(/<h2[^>]*>([^<]*)<\/h2>/g)].map(([, text]) => text);

/** The JSON that a page holds. */
const dataOf = (page: string): unknown =>
  JSON.parse(/<script type="application\/json" id="report">(.*?)<\/script>/s.exec(page)?.[1] ?? '');

t.test('a page has the numbers first, then every section, and the report as data', async (t) => {
  const facts = runFacts({
    stills: STILLS,
    resumes: 1,
    framesMadeInThisRun: 60,
    notes: ['a note'],
    warnings: ['beware'],
  });
  const page = pageOf(facts);
  t.same(headings(page), [
    ...['Warnings', 'Before and after', 'Frames per second over time', 'Stages of each rank over time'],
    ...['What limited the speed', 'Frames and memory by rank', 'Earlier runs', 'What was checked', 'Streams'],
    ...['Notes', 'Files and settings', 'Environment'],
  ]);
  const [before = ''] = page.split('<h2');
  for (const text of [
    '5.00 fps',
    '0:12',
    'every timestamp verified',
    'inference',
    'the limit, 54 % used',
    '2.3 MB',
  ])
    t.match(before, text);
  t.match(page, 'aria-label="rank 0 on node0, busy: decode 20 %, infer 90 %, encode 44 %"');
  t.match(page, /40 frames of earlier runs were kept, and this run made 60/);
  t.match(page, 'Open MPI v5.0.7');
  t.same(dataOf(page), JSON.parse(JSON.stringify(runReport(facts))), 'the JSON is in the page');
});

t.test('sections without content are left out', async (t) => {
  const silent = [rankReport(0, { timeline: { binSeconds: 0.1, busy: {} } })];
  const page = pageOf(runFacts({ ranks: silent, streams: [], environment: undefined }));
  t.same(headings(page), [
    'What limited the speed',
    'Frames and memory by rank',
    'What was checked',
    'Files and settings',
  ]);
  t.match(headings(pageOf(runFacts({ ranks: [], pipelineSeconds: 0 }))), ['What was checked']);
});

t.test('the page of a table tells of its rows, and shows no frames', async (t) => {
  const { model, modelSha256 } = runFacts().output;
  const output = { path: 'rows.csv', bytes: 999, table: 'rows.csv', tableRows: 7, model, modelSha256 };
  const tables = [{ name: 'boxes', path: 'rows.csv', rows: 7 }];
  const page = pageOf(runFacts({ output, tables, streams: [] }));
  t.notOk(headings(page).includes('Before and after'));
  for (const text of ['the table read back', 'Every table was read back.', 'rows.csv, 7 rows'])
    t.match(page, text);
  t.notMatch(page.slice(0, page.indexOf('<script')), 'every timestamp', 'a table has none to verify');
});

t.test('names and messages are data: nothing in them becomes markup or script', async (t) => {
  const image = [{ name: HOSTILE, before: JPEG, after: JPEG }];
  const hostile = runFacts({
    ...{ notes: [HOSTILE], warnings: [HOSTILE], settings: { [HOSTILE]: HOSTILE }, version: HOSTILE },
    input: { ...runFacts().input, path: HOSTILE, codec: HOSTILE, format: HOSTILE },
    output: { ...runFacts().output, path: `x/${HOSTILE}`, model: HOSTILE, container: HOSTILE },
    tables: [{ name: HOSTILE, path: HOSTILE, rows: 3 }],
    streams: [{ stream: HOSTILE, output: HOSTILE }],
    ranks: [rankReport(0, { host: HOSTILE, provider: HOSTILE })],
    stills: { pairs: image, strip: [{ name: HOSTILE, image: JPEG }], note: HOSTILE },
  });
  const facts = { version: HOSTILE, resumes: 0, wallSeconds: 2, pipelineSeconds: 1, warnings: [HOSTILE] };
  const environment = { finished: '', node: '', system: '', ffmpeg: HOSTILE, mpi: HOSTILE, hosts: [] };
  const pictures = picturesReport({
    ...facts,
    ...{ output: { path: HOSTILE, model: HOSTILE }, failures: [{ file: HOSTILE, error: HOSTILE }] },
    ...{ pictures: { total: 2, done: 1, kept: 0, failed: 1, skipped: 0 }, environment },
    ...{ ranks: hostile.ranks, stills: undefined },
  });
  const queue = queueReport(HOSTILE, [
    { input: HOSTILE, output: HOSTILE, outcome: { state: 'done', facts: hostile } },
    { input: HOSTILE, output: HOSTILE, outcome: { state: 'failed', error: new JobError('input', HOSTILE) } },
    { input: HOSTILE, output: HOSTILE, outcome: { state: 'waiting' } },
  ]);
  const stills = { pairs: image, strip: [], note: HOSTILE };
  for (const page of [pageOf(hostile), picturesPage(pictures, stills), queuePage(queue, [stills])]) {
    t.equal(page.match(/<script/g)?.length, 2, 'the two scripts of our own');
    t.equal(page.match(/<\/script>/g)?.length, 2);
    t.equal(page.match(/<\/title>/g)?.length, 1);
    t.notMatch(page, /\u202e|alert\(1\)<\//, 'no control characters, no end of an element');
    t.notMatch(page.replace(/"[^"]*"/g, ''), /<[^>]*\sonload=/, 'nor an attribute');
    t.match(page, '&lt;script&gt;alert(1)&lt;/script&gt;');
    t.ok(JSON.stringify(dataOf(page)).includes('</title>&amp;'), 'the data say it as it is');
  }
});

t.test('the page of a queue has numbers and a frame of each video, of a table its rows', async (t) => {
  const table = runFacts({
    output: { path: 'rows.csv', bytes: 999, table: 'rows.csv', tableRows: 7, model: 'm', modelSha256: '' },
    tables: [{ name: 'boxes', path: 'rows.csv', rows: 7 }],
  });
  const videos = [
    { input: 'in.mov', output: 'dir/out.mp4', outcome: { state: 'done', facts: runFacts() } },
    { input: 'b.mov', output: 'rows.csv', outcome: { state: 'done', facts: table } },
    { input: 'c.mov', output: 'dir/c.mp4', outcome: { state: 'done', facts: runFacts() } },
    { input: 'd.mov', output: 'dir/d.mp4', outcome: { state: 'waiting' } },
  ] as const;
  const note = { pairs: [], strip: [], note: 'Some frames could not be shown: x' };
  const page = queuePage(queueReport('0.1.0', videos), [STILLS, undefined, note]);
  t.same(headings(page), ['Before and after', 'Videos']);
  t.equal(page.match(/<figure>/g)?.length, 1);
  t.match(page, '<b>out.mp4</b>: 0:04 at 8.33 fps, 1920x1080 h264, 2.3 MB');
  t.match(page, 'alt="out.mp4 after the model, at 0:02.00"');
  t.match(page, '1 of the 2 videos that this run made are shown.');
  for (const [value, what] of [
    ['3 of 4', 'videos made by this run'],
    ['300', 'frames, verified'],
    ['0:36', 'from start to published, of all'],
    ['8.33 fps', 'start-ups included'],
  ])
    t.match(page, `<b>${value}</b><span>${what}</span>`);
  t.match(page, '<td>100, read back</td><td>0:04</td><td>7 rows, 999 bytes</td>');
  t.match(page, '<div>Some frames could not be shown: x</div>');
  const outcomes = (count: number) => Array.from({ length: count }, () => videos[0].outcome);
  const others = [{ state: 'skipped' }, { state: 'running' }, { state: 'waiting' }] as const;
  t.equal(hasRoomForFrames([...outcomes(48), ...others]), true, 'the fiftieth');
  t.equal(hasRoomForFrames([...outcomes(49), ...others]), false, 'and no more');
  const waiting = queuePage(queueReport('0.1.0', videos.slice(3)), []);
  t.same(headings(waiting), ['Videos'], 'no numbers before there are some');
  t.notMatch(waiting, 'class="tiles"');
});

t.test('a page asks for nothing from anywhere', async (t) => {
  const page = pageOf(runFacts({ stills: STILLS }));
  t.same(page.match(/\b(?:https?:)?\/\/[a-z]/g), null, 'no address');
  for (const [, address = ''] of page.matchAll(/(?:src|href)="([^"]*)"/g))
    t.match(address, /^data:image\/jpeg;base64,/);
  t.match(page, /default-src &#39;none&#39;; img-src data:; style-src/, 'and its policy forbids it');
});

t.test('light, dark and paper have colours that can be read', async (t) => {
  const themes = STYLE.split(':root')
    .slice(1)
    .map(
      (part) =>
        new Map(
          [...part.slice(0, part.indexOf('}')).matchAll(/--(\w+): (#\w+)/g)].map(
            ([, name = '', colour = '']) => [name, colour],
          ),
        ),
    );
  t.equal(themes.length, 3);
  for (const theme of themes) {
    const contrast = (a: string, b: string): number => ratio(theme.get(a) ?? '', theme.get(b) ?? '');
    for (const text of ['text', 'soft', 'warn', 'accent'])
      for (const ground of ['back', 'card']) t.ok(contrast(text, ground) >= 4.5, `${text} on ${ground}`);
    for (const stage of ['decode', 'scatter', 'infer', 'gather', 'encode', 'accent'])
      t.ok(contrast(stage, 'track') >= 3, `${stage} on its track: ${contrast(stage, 'track')}`);
  }
});

t.test('timelines of different bins lie beside each other; many ranks share rows', async (t) => {
  const slow = rankReport(1, { timeline: { binSeconds: 2, busy: { infer: 'z0' } } });
  const both = timelineOf([rankReport(0), slow]);
  t.match(both, { binSeconds: 2, bins: 5 });
  t.same(both?.rows[0]?.busy.decode, [0.5, 0, 0.5, 0, 0]);
  t.same(both?.rows[1]?.busy.infer, [1, 0, 0, 0, 0], 'a rank that ended early waits');
  const long = { binSeconds: 0.1, busy: { infer: 'z'.repeat(240) }, frames: Array<number>(240).fill(1) };
  const many = Array.from({ length: 256 }, (_, rank) => rankReport(rank, { timeline: long }));
  const rows = timelineOf(many)?.rows ?? [];
  t.ok(rows.length <= 32, `${rows.length} rows`);
  t.same([rows[0]?.last.rank, rows[1]?.first.rank, rows.at(-1)?.last.rank], [0, 1, 255]);
  t.ok(rows.every(({ busy }) => busy.infer?.length === 120 && busy.infer.every((share) => share === 1)));
  t.same(throughputOf(many, 100), { binSeconds: 0.2, framesPerSecond: Array<number>(120).fill(2560) });
  const noise = [...Array(240)].map((_, at) => ((at * 7) % 36).toString(36)).join('');
  const uneven = {
    ...long,
    busy: { decode: noise, scatter: noise, infer: noise, gather: noise, encode: noise },
  };
  const page = pageOf(runFacts({ ranks: many.map((one) => ({ ...one, timeline: uneven })) }));
  t.ok(page.length < 1_200_000, `a page of 256 ranks has ${page.length} characters without images`);
});

t.test('bins of the throughput hold several frames, and the last one is as long as it was', async (t) => {
  const frames = Array.from({ length: 96 }, (_, at) => at % 2);
  const few = [rankReport(0, { timeline: { binSeconds: 0.1, busy: {}, frames } })];
  t.match(throughputOf(few, 9.7), { binSeconds: 0.8, framesPerSecond: Array(12).fill(5) });
  const short = [rankReport(0, { timeline: { binSeconds: 1, busy: {}, frames: [10, 5] } })];
  t.same(throughputOf(short, 1.5)?.framesPerSecond, [10, 10]);
  t.equal(throughputOf([rankReport(1)], 9), undefined);
});

t.test('either form replaces a report of either form, and nothing else', async (t) => {
  const folder = t.testdir({
    'mine.html': '<!doctype html>\n<p>mine',
    'mine.json': '{"a":1}',
    'empty.html': '',
  });
  const at = (name: string): string => join(folder, name);
  const facts = runFacts();
  const json = runReport(facts);
  const report = { json, page: async () => pageOf(facts) };
  for (const name of ['run.html', 'run.HTM', 'empty.html']) {
    await writeReport(at(name), report);
    t.match(await fs.readFile(at(name), 'utf8'), /^<!doctype html>\n<!-- framescatter report 1 -->\n/);
    await writeReport(at(name), report);
  }
  await writeReport(at('run.json'), report);
  t.equal(JSON.parse(await fs.readFile(at('run.json'), 'utf8')).frames, 100);
  await fs.rename(at('run.html'), at('page.json'));
  await fs.rename(at('run.json'), at('json.html'));
  for (const name of ['page.json', 'json.html']) await writeReport(at(name), report);
  for (const name of ['mine.html', 'mine.json'])
    await t.rejects(refuseForeignReport(at(name)), { message: /exists and is not a report/ }, name);
});

t.test('frames that cannot be taken leave a note', async (t) => {
  const source = await probe(await makeClip('one-frame'));
  const footage = {
    ...{ source, output: 'none.mp4', pts: [0, 1, 2], shift: 0 },
    ...{ folder: async () => t.testdir(), signal: new AbortController().signal },
  };
  const stills = await takeStills(footage);
  t.match(stills, { pairs: [], strip: [], note: /^Some frames could not be shown: / });
  t.match(pageOf(runFacts({ stills })), 'Some frames could not be shown');
});

/** The contrast of two colours: WCAG 2.1, relative luminance. */
function ratio(a: string, b: string): number {
  const luminance = (colour: string): number => {
    const hex =
      colour.length === 4 ? [...colour.slice(1)].map((digit) => digit + digit).join('') : colour.slice(1);
    const [red = 0, green = 0, blue = 0] = [0, 2, 4]
      .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
      .map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].sort((one, other) => one - other);
  return (light + 0.05) / (dark + 0.05);
}
