import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { checkJob as check } from '../../../src/cli/job/parse-job.js';
import { amlSubmission, parseWatch, type WatchCommand } from '../../../src/cli/watch/parse-watch.js';
import { createLog } from '../../../src/report/log.js';
import { parseLocation } from '../../../src/storage/location/location.js';
import { isVideoName } from '../../../src/storage/video-listing.js';
import { identityOf } from '../../../src/system/process-identity.js';
import type { Claim } from '../../../src/watch/claim.js';
import { openClaims } from '../../../src/watch/claims.js';
import { refuseLoop } from '../../../src/watch/loops.js';
import { openSource } from '../../../src/watch/source.js';
import { type Video, videoIn } from '../../../src/watch/videos.js';
import { look, silent } from '../../fixtures/watch-bench.js';

const AZURE = {
  AZURE_SUBSCRIPTION_ID: '11111111-2222-3333-4444-555555555555',
  AZURE_RESOURCE_GROUP: 'films',
  AZUREML_WORKSPACE_NAME: 'framescatter-ml',
};
const NOBODY = 65_534;
const BLOB = 'https://films.blob.core.windows.net';
const QUEUE = 'https://films.queue.core.windows.net';

function parse(...words: string[]): Exclude<WatchCommand, { kind: 'text' }> {
  const command = parseWatch(words, AZURE, check);
  if (command.kind === 'text') throw new Error(command.text);
  return command;
}

t.test('the command line', async (t) => {
  t.match(parse('/in', '--out', '/out'), {
    run: 'local',
    words: [],
    ranks: 0,
    jobs: 1,
    tries: 3,
    once: false,
    mostBytes: 2 ** 40,
    statusPort: undefined,
    reportDir: undefined,
  });
  t.match(parse('/in', '--out', '/out', '--status-port', '0', '--report-dir', '/pages'), {
    ...{ statusPort: 0, reportDir: '/pages' },
  });
  t.match(parse('/in', '--out', '/out', '--ranks', '4', '--once', '--', '--model', 'udnie', '--crf=20'), {
    ranks: 4,
    once: true,
    words: ['--model', 'udnie', '--crf=20'],
    naming: { codec: 'h264', format: undefined },
  });
  t.same(parse('/in', '--out', '/out', '--', '--codec', 'prores', '--format=mov').naming, {
    ...{ codec: 'prores', format: 'mov' },
  });
  t.match(parse('/in', '--out', '/out', '--run', 'slurm', '--', '--', '--codec', 'vp9'), {
    naming: { codec: 'vp9' },
  });
  t.match(parse('/in', '--out', '/out', '--run', 'slurm', '--', '--nodes', '2', '--', '--model', 'udnie'), {
    run: 'slurm',
    words: ['--nodes', '2', '--', '--model', 'udnie'],
  });
  t.match(parse(`${BLOB}/videos-in`, '--out', `${BLOB}/videos-out`, '--run=aml', '--', '--nodes', '2'), {
    run: 'aml',
    naming: { codec: 'h264' },
  });
  t.match(parse(`${BLOB}/videos-in`, '--out', '/out', '--queue', `${QUEUE}/uploads`), {
    queue: `${QUEUE}/uploads`,
  });
  t.match(parseWatch(['--help'], {}, check), { kind: 'text', text: /--max-gib/ });

  const limits = ['--max-per-day', '200', '--probe'];
  const journals = ['--journals', `${BLOB}/journals`];
  const guarded = [`${BLOB}/in1`, '--out', `${BLOB}/out`, '--run=aml', ...limits, '--', ...journals];
  t.match(parseWatch(guarded, AZURE, check), { mostPerDay: 200, probe: true, words: journals });
  t.match(amlSubmission([`${BLOB}/in1/a.mp4`, `${BLOB}/out/b.mp4`, ...journals], AZURE), {
    job: { workDir: /\/journals\/\w+\/out\/b\.mp4$/ },
  });

  const bad: readonly (readonly [readonly string[], RegExp])[] = [
    [['/in', '--out', '/out', '--max-per-day', '0'], /--max-per-day takes/],
    [['/in', '--out', '/out', '--probe'], /--probe is for slurm and aml/],
    [
      [`${BLOB}/in1`, '--out', `${BLOB}/out`, '--run=aml', '--', '--name', 'x'],
      /--name and --attempts are not for it/,
    ],
    [
      [`${BLOB}/in1`, '--out', `${BLOB}/out`, '--run=aml', '--', '--attempts', '3'],
      /--name and --attempts are not for it/,
    ],
    [[], /takes one PLACE/],
    [['/in', '/more', '--out', '/out'], /takes one PLACE/],
    [['/in'], /needs --out/],
    [['/in', '--out', '/out', '--run', 'cloud'], /--run is one of local, slurm, aml, and cannot be "cloud"/],
    [['/in', '--out', '/out', '--jobs', '0'], /--jobs takes/],
    [['/in', '--out', '/out', '--poll', '0'], /--poll takes/],
    [['/in', '--out', '/out', '--', '--crf', '99'], /--crf takes/],
    [['/in', '--out', '/out', '--', 'more.mp4'], /takes an INPUT and an OUTPUT/],
    [['/in', '--out', '/out', '--', '--work-dir', '/j'], /--work-dir is for one job/],
    [['/in', '--out', '/out', '--', '--table', 'a.csv'], /--table names a file of one job/],
    [['/in', '--out', '/out', '--', '--output=x=a.csv'], /--output names a file of one job/],
    [['/in', '--out', '/out', '--', '--workDir=/j'], /--workDir is for one job/],
    [['/in', '--out', '/out', '--', '--report=r.json'], /--report is for one job/],
    [['/in', '--out', '/out', '--status-port', '65536'], /--status-port takes a whole number/],
    [['/in', '--out', '/out', '--status-port', '-1'], /--status-port takes a whole number/],
    [['/in', '--out', '/out', '--run', 'slurm', '--report-dir', '/pages'], /--report-dir is for/],
    [['/in', '--out', '/out', '--report-dir', `${BLOB}/pages`], /a folder on this machine/],
    [['/in', '--out', '/out', '--', '--trace', 't.json'], /--trace is for one job/],
    [['/in', '--out', '/out', '--', '--plan=p.json'], /--plan is for one job/],
    [['/in', '--out', '/out', '--', '--max-hours', '2'], /--max-hours counts each run by itself/],
    [['/in', '--out', '/out', '--run', 'slurm', '--', '--', '--work-dir=/j'], /--work-dir is for one job/],
    [
      [`${BLOB}/in1`, '--out', `${BLOB}/out`, '--run=aml', '--', `--work-dir=${BLOB}/journals/x`],
      /--work-dir is for one job/,
    ],
    [['/in', '--out', '/out', '--run', 'slurm', '--', '--nodes', 'x'], /--nodes takes/],
    [['/in', '--out', '/out', '--run', 'slurm', '--', '--dry-run'], /not for it/],
    [['/in', '--out', '/out', '--run', 'slurm', '--ranks', '2'], /--ranks is for/],
    [['/in', '--out', '/out', '--run', 'aml'], /cannot read local files/],
    [['http://example.com/in', '--out', '/out'], /not encrypted/],
    [['/in', '--out', '/out', '--queue', `${QUEUE}/uploads`], /PLACE must be a container/],
    [[`${BLOB}/in1`, '--out', '/out', '--queue', `${BLOB}/uploads`], /not an address of Queue storage/],
    [[`${BLOB}/in1`, '--out', '/out', '--queue', `${QUEUE}/uploads/x`], /more than a queue/],
  ];
  for (const [words, message] of bad) {
    t.throws(() => parseWatch(words, AZURE, check), { code: 'usage', message }, words.join(' '));
  }
  const secret = 'sv=2025&sig=CANARYsignature';
  const model = `--model=${BLOB}/models/m.onnx?${secret}`;
  for (const words of [
    [`${BLOB}/videos-in?${secret}`, '--out', '/out'],
    ['/in', '--out', '/out', '--', model],
    ['/in', '--out', '/out', '--', '--model', model.slice('--model='.length)],
    ['/in', '--out', '/out', '--run', 'slurm', '--', '--', model],
    [`${BLOB}/in1`, '--out', `${BLOB}/out`, '--run', 'aml', '--', model],
  ]) {
    try {
      parse(...words);
      t.fail(`a SAS was taken: ${words.join(' ')}`);
    } catch (error) {
      t.match(error, { code: 'usage', message: /carries a SAS/ });
      t.notMatch(String(error), /CANARY/);
    }
  }
});

t.test('what is a video, and what identifies it', async (t) => {
  for (const name of ['a.mp4', 'A.MOV', 'sub/film 1.mkv', "it's; rm -rf %d.avi", 'a\nb.webm', '-x.mp4'])
    t.equal(isVideoName(name), true, name);
  for (const name of [
    ...['a.txt', 'mp4', '.mp4', '.hidden/a.mp4', '../a.mp4', 'a/../b.mp4', 'a//b.mp4', './a.mp4', '/a.mp4'],
    ...['a.mp4.framescatter/scratch/output.mp4', 'out/.framescatter-watch/x.mp4', 'a.mp4.failed.json', ''],
  ])
    t.equal(isVideoName(name), false, name);
  const video = { name: 'a.mp4', bytes: 1, version: '1' };
  t.equal(videoIn('p', video).key, videoIn('p', { ...video, bytes: 2 }).key);
  t.not(videoIn('p', video).key, videoIn('p', { ...video, version: '2' }).key);
  t.not(videoIn('p', video).key, videoIn('q', video).key);
});

t.test('loops are refused', async (t) => {
  const folder = t.testdir({ in: { deep: {} }, other: {}, link: t.fixture('symlink', 'in') });
  const at = (name: string) => parseLocation(join(folder, name));
  const refused = async (a: string, b: string) =>
    t.rejects(refuseLoop(at(a), at(b)), { code: 'usage', message: /overlaps with the watched/ }, `${a} ${b}`);
  await refused('in', 'in');
  await refused('in', 'in/deep');
  await refused('in', 'in/not/yet');
  await refused('in/deep', 'in');
  await refused('in', 'link');
  await refused('in', 'link/deep/new');
  await refuseLoop(at('in'), at('other'));
  await refuseLoop(at('in'), at('inside'));
  const blob = (name: string) => parseLocation(`${BLOB}/${name}`);
  for (const [a, b] of [
    ['videos', 'videos'],
    ['videos', 'videos/out'],
    ['videos/in/x', 'videos/in'],
  ] as const)
    await t.rejects(refuseLoop(blob(a), blob(b)), { code: 'usage' });
  const elsewhere = parseLocation('https://films-secondary.blob.core.windows.net/videos/out');
  await t.rejects(refuseLoop(blob('videos'), elsewhere), { code: 'usage' });
  await refuseLoop(blob('videos/in'), blob('videos/in2'));
  await refuseLoop(blob('videos'), blob('outputs'));
  await refuseLoop(at('in'), blob('videos'));
});

t.test('claims in a folder', async (t) => {
  const folder = t.testdir();
  const state = { kind: 'file', path: folder } as const;
  const watchers = await Promise.all(Array.from({ length: 8 }, () => openClaims(state)));
  const all = await Promise.all(watchers.map((claims) => claims.claim('k')));
  const won = all.filter((claim): claim is Claim => typeof claim !== 'string');
  t.equal(won.length, 1, 'one of those that come at once');
  t.equal(await won[0]?.held(), true);
  t.equal(await watchers[0]?.claim('k'), 'taken');
  await won[0]?.release(false);
  const next = await watchers[1]?.claim('k');
  t.type(next, 'object', 'given back, it can be had again');
  t.equal(await won[0]?.held(), false);
  if (typeof next === 'object') await next.release(true);
  t.same(await fs.readdir(join(folder, 'claims')), [], 'nothing stays of a settled one');

  const file = join(folder, 'claims', 'dead.1');
  const dead = { ...(await identityOf()), pid: 2 ** 30, started: '1', beat: 3, state: 'held' };
  await fs.writeFile(file, JSON.stringify(dead));
  const taken = await Promise.all(watchers.map((claims) => claims.claim('dead')));
  t.equal(taken.filter((claim) => typeof claim === 'object').length, 1, 'one takes over from the dead');

  const far = { ...dead, pidNamespace: 'pid:[1]' };
  await fs.writeFile(join(folder, 'claims', 'far.1'), JSON.stringify(far));
  t.equal(await watchers[0]?.claim('far'), 'unsure', "another container's is not known at once");
  await fs.writeFile(join(folder, 'claims', 'far.1'), JSON.stringify({ ...far, beat: 4 }));
  t.equal(await watchers[0]?.claim('far'), 'taken', 'its heart beats');
  for (const claim of taken) if (typeof claim === 'object') await claim.release(true);
});

t.test('a folder: only what stands still, and is a video', async (t) => {
  const folder = t.testdir({ 'a.mp4': 'a', 'notes.txt': '', sub: { 'b.mkv': 'b' }, '.c.mp4': '' });
  await fs.symlink('/etc/passwd', join(folder, 'link.mp4'));
  const source = await openSource(parseLocation(folder), new AbortController().signal, silent);
  t.same(await look(source), []);
  t.equal(source.unready(), 2);
  await fs.appendFile(join(folder, 'a.mp4'), 'more');
  t.same(
    (await look(source)).map(({ name }) => name),
    ['sub/b.mkv'],
    'one that grew is left alone',
  );
  t.match(await look(source), [
    { name: 'a.mp4', bytes: 5 },
    { name: 'sub/b.mkv', bytes: 1 },
  ]);
  await t.rejects(openSource(parseLocation(join(folder, 'none')), new AbortController().signal, silent), {
    code: 'input',
  });
});

t.test('a folder in it that cannot be listed is left out, with one line', async (t) => {
  const folder = await fs.mkdtemp(join(tmpdir(), 'framescatter-watch-'));
  t.teardown(() => fs.rm(folder, { recursive: true }));
  const lost = join(folder, 'lost+found');
  await fs.mkdir(join(folder, 'sub', 'deep'), { recursive: true });
  await fs.mkdir(lost);
  for (const name of ['a.mp4', 'sub/deep/b.mp4', 'lost+found/c.mp4'])
    await fs.writeFile(join(folder, name), 'x');
  await fs.chmod(folder, 0o755);
  await fs.chmod(lost, 0);
  const lines: string[] = [];
  const log = createLog('text', 'normal', (line) => lines.push(line));
  const { signal } = new AbortController();
  const found: (readonly Video[])[] = [];
  let refused: unknown;
  // Root may read what nobody else may.
  const uid = process.geteuid?.() ?? 0;
  if (uid === 0) process.seteuid?.(NOBODY);
  try {
    const source = await openSource(parseLocation(folder), signal, log);
    for (let i = 0; i < 2; i += 1) found.push(await look(source));
    refused = await openSource(parseLocation(lost), signal, log).catch((error) => error);
  } finally {
    process.seteuid?.(uid);
  }
  t.same(
    found.map((videos) => videos.map(({ name }) => name)),
    [[], ['a.mp4', 'sub/deep/b.mp4']],
  );
  t.equal(lines.length, 1);
  t.match(lines[0], `framescatter: warning: skipping ${lost}: EACCES`);
  t.match(refused, { code: 'input', message: /lost\+found cannot be listed: EACCES/ });
});
