import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parseArguments } from '../../src/cli/arguments.js';
import { parseWatch, slurmRequest, type WatchCommand } from '../../src/cli/watch.js';
import { JobError } from '../../src/errors.js';
import { createLog } from '../../src/report/log.js';
import { parseLocation } from '../../src/storage/location.js';
import { openPlace } from '../../src/storage/place.js';
import { identityOf } from '../../src/storage/process-identity.js';
import { isVideoName } from '../../src/storage/video-listing.js';
import { type Claim, openClaims } from '../../src/watch/claims.js';
import { localRunner } from '../../src/watch/local-runner.js';
import { refuseLoop } from '../../src/watch/loops.js';
import { openRecords, recordName, type VideoRecord } from '../../src/watch/records.js';
import type { Ending, Run, Runner } from '../../src/watch/runner.js';
import { slurmRunner } from '../../src/watch/slurm-runner.js';
import { openSource, type Source } from '../../src/watch/source.js';
import { take, type Watcher } from '../../src/watch/take.js';
import { outputName, type Video, videoIn } from '../../src/watch/videos.js';
import { watch } from '../../src/watch/watch.js';
import { until } from '../fixtures/until.js';

const check = (words: readonly string[]): void => void parseArguments(words, '0');
const AZURE = {
  AZURE_SUBSCRIPTION_ID: '11111111-2222-3333-4444-555555555555',
  AZURE_RESOURCE_GROUP: 'films',
  AZUREML_WORKSPACE_NAME: 'framescatter-ml',
};
const NOBODY = 65_534;
const silent = createLog('text', 'quiet', () => {});
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
  });
  t.match(parse('/in', '--out', '/out', '--ranks', '4', '--once', '--', '--model', 'udnie', '--crf=20'), {
    ranks: 4,
    once: true,
    words: ['--model', 'udnie', '--crf=20'],
  });
  t.match(parse('/in', '--out', '/out', '--run', 'slurm', '--', '--nodes', '2', '--', '--model', 'udnie'), {
    run: 'slurm',
    words: ['--nodes', '2', '--', '--model', 'udnie'],
  });
  t.match(parse(`${BLOB}/videos-in`, '--out', `${BLOB}/videos-out`, '--run=aml', '--', '--nodes', '2'), {
    run: 'aml',
  });
  t.match(parse(`${BLOB}/videos-in`, '--out', '/out', '--queue', `${QUEUE}/uploads`), {
    queue: `${QUEUE}/uploads`,
  });
  t.match(parseWatch(['--help'], {}, check), { kind: 'text', text: /--max-gib/ });

  const bad: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /takes one PLACE/],
    [['/in', '/more', '--out', '/out'], /takes one PLACE/],
    [['/in'], /needs --out/],
    [['/in', '--out', '/out', '--run', 'cloud'], /Choices/],
    [['/in', '--out', '/out', '--jobs', '0'], /--jobs takes/],
    [['/in', '--out', '/out', '--poll', '0'], /--poll takes/],
    [['/in', '--out', '/out', '--', '--crf', '99'], /--crf takes/],
    [['/in', '--out', '/out', '--', 'more.mp4'], /takes an INPUT and an OUTPUT/],
    [['/in', '--out', '/out', '--', '--work-dir', '/j'], /--work-dir is for one job/],
    [['/in', '--out', '/out', '--', '--workDir=/j'], /--workDir is for one job/],
    [['/in', '--out', '/out', '--', '--report=r.json'], /--report is for one job/],
    [['/in', '--out', '/out', '--run', 'slurm', '--', '--', '--work-dir=/j'], /--work-dir is for one job/],
    [
      [`${BLOB}/in1`, '--out', `${BLOB}/out`, '--run=aml', '--', `--work-dir=${BLOB}/journals/x`],
      /--work-dir is for one job/,
    ],
    [['/in', '--out', '/out', '--run', 'slurm', '--', '--nodes', 'x'], /--nodes takes/],
    [['/in', '--out', '/out', '--run', 'slurm', '--', '--dry-run'], /not for it/],
    [['/in', '--out', '/out', '--run', 'slurm', '--ranks', '2'], /--ranks is for/],
    [['/in', '--out', '/out', '--run', 'aml'], /cannot see local files/],
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

t.test('what is a video, and what its output is called', async (t) => {
  for (const name of ['a.mp4', 'A.MOV', 'sub/film 1.mkv', "it's; rm -rf %d.avi", 'a\nb.webm', '-x.mp4'])
    t.equal(isVideoName(name), true, name);
  for (const name of [
    ...['a.txt', 'mp4', '.mp4', '.hidden/a.mp4', '../a.mp4', 'a/../b.mp4', 'a//b.mp4', './a.mp4', '/a.mp4'],
    ...['a.mp4.framescatter/scratch/output.mp4', 'out/.framescatter-watch/x.mp4', 'a.mp4.failed.json', ''],
  ])
    t.equal(isVideoName(name), false, name);
  t.equal(outputName('x/a.MP4'), 'x/a.MP4');
  t.equal(outputName('a.webm'), 'a.webm.mkv');
  const video = { name: 'a.mp4', bytes: 1, version: '1' };
  t.equal(videoIn('p', video).key, videoIn('p', { ...video, bytes: 2 }).key);
  t.not(videoIn('p', video).key, videoIn('p', { ...video, version: '2' }).key);
  t.not(videoIn('p', video).key, videoIn('q', video).key);
});

t.test('loops are refused', async (t) => {
  const folder = t.testdir({ in: { deep: {} }, other: {}, link: t.fixture('symlink', 'in') });
  const at = (name: string) => parseLocation(join(folder, name));
  const refused = async (a: string, b: string) =>
    t.rejects(refuseLoop(at(a), at(b)), { code: 'usage', message: /lie in each other/ }, `${a} ${b}`);
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

async function look(source: Source): Promise<readonly Video[]> {
  const videos: Video[] = [];
  for await (const offer of source.look()) if (offer.kind === 'video') videos.push(offer.video);
  return videos;
}

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
  t.match(lines[0], `framescatter: warning: the folder ${lost} is left out: EACCES`);
  t.match(refused, { code: 'input', message: /lost\+found cannot be listed: EACCES/ });
});

interface Bench {
  readonly watcher: Watcher;
  readonly video: Video;
  readonly runs: Run[];
  readonly followed: string[];
  readonly out: string;
  record(): Promise<VideoRecord>;
  /** Writes a record as if a watcher had left it. */
  leave(change: Partial<VideoRecord>): Promise<void>;
}

/** A watcher whose jobs end as `endings` says, one after the other. */
async function bench(
  folder: string,
  endings: (Ending | Error)[],
  more: Partial<Watcher> = {},
): Promise<Bench> {
  const [input, out] = [join(folder, 'in'), join(folder, 'out')];
  await fs.mkdir(input, { recursive: true });
  await fs.mkdir(out, { recursive: true });
  await fs.writeFile(join(input, 'a.mp4'), 'film');
  const signal = new AbortController().signal;
  const source = await openSource(parseLocation(input), signal, silent);
  await look(source);
  const [video] = await look(source);
  if (video === undefined) throw new Error('no video');
  const runs: Run[] = [];
  const followed: string[] = [];
  const runner: Runner = {
    async start(run) {
      runs.push(run);
      return `job ${runs.length}`;
    },
    async follow(job) {
      followed.push(job);
      const ending = endings.shift() ?? { kind: 'done' };
      if (ending instanceof Error) throw ending;
      if (ending.kind === 'done') await fs.writeFile(join(out, 'a.mp4'), `styled by ${job}`);
      return ending;
    },
  };
  const state = { kind: 'file', path: join(out, '.framescatter-watch') } as const;
  const records = openRecords(await openPlace(state));
  const watcher: Watcher = {
    source,
    outputs: await openPlace(parseLocation(out)),
    records,
    claims: await openClaims(state),
    runner,
    log: silent,
    tries: 3,
    mostBytes: 1000,
    outputWithinMs: 0,
    ...more,
  };
  const record = async (): Promise<VideoRecord> => {
    const found = await records.read(video);
    if (found === undefined) throw new Error('no record');
    return found;
  };
  return {
    watcher,
    video,
    runs,
    followed,
    out,
    record,
    leave: async (change) => {
      const blank: VideoRecord = {
        video: video.name,
        version: video.version,
        bytes: 4,
        state: 'running',
        output: join(out, 'a.mp4'),
        failures: 0,
        interruptions: 0,
        collisions: 0,
        reason: null,
        firstTaken: '',
        updated: '',
        watcher: '',
        job: null,
        outputBefore: null,
      };
      await records.write(video, { ...blank, ...change });
    },
  };
}

const failed = (final = false): Ending => ({ kind: 'failed', reason: 'no frames', final });

t.test('how runs end', async (t) => {
  await t.test('done, once', async (t) => {
    const { watcher, video, runs, record, out } = await bench(t.testdir(), []);
    await fs.writeFile(join(out, 'a.mp4.failed.json'), 'of an earlier version');
    t.equal(await take(watcher, video), 'done');
    t.equal(await take(watcher, video), 'settled');
    t.equal(runs.length, 1);
    t.match(await record(), { state: 'done', job: null, failures: 0, reason: null });
    t.same((await fs.readdir(out)).sort(), ['.framescatter-watch', 'a.mp4'], 'its old failure is gone');
    const kept = await fs.readdir(join(out, '.framescatter-watch'));
    t.same(kept.sort(), [recordName(video), 'claims'].sort());
  });

  await t.test('set aside after k failures, the source untouched', async (t) => {
    const folder = t.testdir();
    const { watcher, video, runs, out, record } = await bench(folder, [failed(), failed(), failed()]);
    t.equal(await take(watcher, video), 'again');
    t.match(await record(), { state: 'waiting', failures: 1, reason: 'no frames' });
    t.equal(await take(watcher, video), 'again');
    t.equal(await take(watcher, video), 'failed');
    t.equal(await take(watcher, video), 'settled');
    t.equal(runs.length, 3);
    t.equal(new Set(runs.map(({ id }) => id)).size, 3, 'each run has an id of its own');
    const note = JSON.parse(await fs.readFile(join(out, 'a.mp4.failed.json'), 'utf8'));
    t.match(note, { video: 'a.mp4', reason: 'no frames', failures: 3 });
    t.equal(await fs.readFile(join(folder, 'in', 'a.mp4'), 'utf8'), 'film');
  });

  await t.test('what another try would not cure is set aside at once', async (t) => {
    const one = await bench(t.testdir(), [failed(true)]);
    t.equal(await take(one.watcher, one.video), 'failed');
    const large = await bench(t.testdir(), [], { mostBytes: 3 });
    t.equal(await take(large.watcher, large.video), 'failed');
    t.equal(large.runs.length, 0);
    t.match(await large.record(), { reason: /4 bytes, more than the limit of 3/ });
  });

  await t.test('jobs that cannot be started are not its fault', async (t) => {
    const outage = new JobError('cluster', 'sbatch cannot be run');
    const { watcher, video, record } = await bench(t.testdir(), []);
    const { runner } = watcher;
    const start = async (): Promise<string> => {
      throw outage;
    };
    await t.rejects(take({ ...watcher, runner: { ...runner, start } }, video), outage);
    t.match(await record(), { state: 'waiting', job: null, failures: 0, reason: 'sbatch cannot be run' });
    t.equal(await take(watcher, video), 'done');
  });

  await t.test(
    'a job that is out of sight goes on: it is followed again, and no other started',
    async (t) => {
      const outage = new JobError('cluster', 'Slurm does not tell of job 1');
      const { watcher, video, runs, followed, record } = await bench(t.testdir(), [outage, outage]);
      await t.rejects(take(watcher, video), outage);
      t.match(await record(), { state: 'running', job: 'job 1', failures: 0, reason: outage.message });
      await t.rejects(take(watcher, video), outage);
      t.equal(await take(watcher, video), 'done');
      t.same(followed, ['job 1', 'job 1', 'job 1']);
      t.equal(runs.length, 1);
      t.match(await record(), { state: 'done', failures: 0, interruptions: 0 });
    },
  );

  await t.test('a job that ends well and leaves nothing has failed', async (t) => {
    const { watcher, video, record } = await bench(t.testdir(), []);
    const runner: Runner = { start: async () => 'job', follow: async () => ({ kind: 'done' }) };
    t.equal(await take({ ...watcher, runner }, video), 'again');
    t.match(await record(), { state: 'waiting', failures: 1, reason: /there is nothing at .*out\/a\.mp4/ });
  });

  await t.test('the id of a run: one for each try, record and output, whoever starts it', async (t) => {
    const folder = t.testdir();
    const away = new JobError('cloud', 'the answer was lost');
    const idOf = async (work: Bench): Promise<string> => {
      const before = work.runs.length;
      const start = async (run: Run): Promise<string> => {
        work.runs.push(run);
        throw away;
      };
      await t.rejects(take({ ...work.watcher, runner: { ...work.watcher.runner, start } }, work.video), away);
      t.equal(work.runs.length, before + 1);
      return work.runs.at(-1)?.id ?? '';
    };
    const work = await bench(folder, [{ kind: 'busy', reason: 'another job is working in it' }]);
    const first = await idOf(work);
    t.equal(await idOf(work), first, 'a start whose answer was lost is the same run');
    t.equal(await take(work.watcher, work.video), 'again');
    const afterBusy = await idOf(work);
    t.not(afterBusy, first, 'a job that found another at work has ended');
    await fs.rm(join(work.out, '.framescatter-watch', recordName(work.video)));
    const anew = await idOf(work);
    const outputs = await openPlace(parseLocation(join(folder, 'elsewhere')));
    await fs.rm(join(work.out, '.framescatter-watch', recordName(work.video)));
    const other = await idOf({ ...work, watcher: { ...work.watcher, outputs } });
    t.equal(new Set([first, afterBusy, anew, other]).size, 4);
    for (const id of [first, afterBusy, anew, other]) t.match(id, /^[\w-]{1,200}$/);
  });

  await t.test('cut off, busy, stopped, left', async (t) => {
    const interrupted: Ending = { kind: 'interrupted', reason: 'preempted' };
    const { watcher, video, record } = await bench(t.testdir(), [
      interrupted,
      { kind: 'busy', reason: 'another job' },
      { kind: 'stopped' },
      { kind: 'left' },
    ]);
    t.equal(await take(watcher, video), 'again');
    t.match(await record(), { state: 'waiting', failures: 0, interruptions: 1 });
    t.equal(await take(watcher, video), 'again');
    t.match(await record(), { state: 'running', job: null, interruptions: 1, collisions: 1 });
    t.equal(await take(watcher, video), 'unfinished');
    t.match(await record(), { state: 'waiting', interruptions: 1 });
    t.equal(await take(watcher, video), 'unfinished');
    t.match(await record(), { state: 'running', job: 'job 4' });
    const always = await bench(t.testdir(), Array<Ending>(20).fill(interrupted));
    for (let i = 1; i < 10; i += 1) t.equal(await take(always.watcher, always.video), 'again');
    t.equal(await take(always.watcher, always.video), 'failed');
    t.match(await always.record(), { reason: /cut off 10 times, last: preempted/ });
  });
});

t.test('what a dead watcher has left', async (t) => {
  await t.test('a job that goes on is waited for', async (t) => {
    const { watcher, video, runs, followed, leave } = await bench(t.testdir(), []);
    await leave({ job: 'job of another' });
    t.equal(await take(watcher, video), 'done');
    t.same(followed, ['job of another']);
    t.same(runs, []);
  });
  await t.test('a job that finished unseen is not run again', async (t) => {
    const { watcher, video, runs, out, leave } = await bench(t.testdir(), [{ kind: 'gone' }]);
    await leave({ job: 'job of another' });
    await fs.writeFile(join(out, 'a.mp4'), 'styled');
    t.equal(await take(watcher, video), 'done');
    t.same(runs, []);
  });
  await t.test('a job that died is run again', async (t) => {
    const { watcher, video, runs, followed, leave, record } = await bench(t.testdir(), [{ kind: 'gone' }]);
    await leave({ job: 'job of another' });
    t.equal(await take(watcher, video), 'done');
    t.same(followed, ['job of another', 'job 1']);
    t.equal(runs.length, 1);
    t.match(await record(), { state: 'done', interruptions: 1 });
  });
});

t.test(
  'a source is asked for the next video only when there is room, and told what became of each',
  async (t) => {
    const { watcher, video } = await bench(t.testdir(), [{ kind: 'done' }, failed(true)]);
    const told: string[] = [];
    let asked = 0;
    const second = { ...video, key: 'second' };
    const source: Source = {
      ...watcher.source,
      async *look() {
        if (asked > 0) return;
        for (const [name, one] of Object.entries({ first: video, again: video, second })) {
          asked += 1;
          const given = asked;
          yield {
            kind: 'video',
            video: one,
            answer: async (taken) => {
              told.push(`${name}: ${taken}, ${given === asked ? 'before' : 'after'} the next`);
            },
          };
        }
        yield { kind: 'set aside' };
      },
    };
    const times = { pollMs: 1, jobs: 1, once: true };
    t.equal(await watch({ ...watcher, source }, times, new AbortController().signal), 1);
    t.same(told, [
      'first: done, before the next',
      'again: settled, before the next',
      'second: failed, before the next',
    ]);
    const refused: Source = {
      ...watcher.source,
      async *look() {
        yield { kind: 'set aside' };
      },
    };
    t.equal(await watch({ ...watcher, source: refused }, times, new AbortController().signal), 1);
  },
);

t.test('a round', async (t) => {
  const signal = new AbortController().signal;
  const times = { pollMs: 1, jobs: 2, once: true };
  const good = await bench(t.testdir(), []);
  t.equal(await watch(good.watcher, times, signal), 0);
  t.equal(good.runs.length, 1);
  const poison = await bench(t.testdir(), [failed(), failed(), failed()]);
  t.equal(await watch(poison.watcher, times, signal), 1, 'tries on, and says that one was set aside');
  t.equal(poison.runs.length, 3);
  const outage = new JobError('cloud', 'Azure is away');
  await t.rejects(watch((await bench(t.testdir(), [outage])).watcher, times, signal), outage);

  const stop = new AbortController();
  const stopped = await bench(t.testdir(), []);
  const runner: Runner = {
    start: async () => 'job',
    async follow() {
      stop.abort();
      return { kind: 'stopped' };
    },
  };
  t.equal(await watch({ ...stopped.watcher, runner }, { ...times, once: false }, stop.signal), 75);
});

t.test('a video whose record is removed is tried anew, by a watcher that knows it as settled', async (t) => {
  const { watcher, video, runs, record, out } = await bench(t.testdir(), []);
  const stop = new AbortController();
  const watching = watch(watcher, { pollMs: 1, jobs: 1, once: false }, stop.signal);
  const isDone = async () => (await watcher.records.read(video))?.state === 'done';
  await until('it is done', isDone);
  await fs.rm(join(out, '.framescatter-watch', recordName(video)));
  await until('it is done once more', isDone);
  stop.abort();
  t.equal(await watching, 0);
  t.equal(runs.length, 2);
  t.match(await record(), { state: 'done', failures: 0 });
});

t.test('without mpirun nothing is started', async (t) => {
  const folder = t.testdir();
  const path = process.env.PATH;
  t.teardown(() => {
    process.env.PATH = path;
  });
  process.env.PATH = folder;
  const signal = new AbortController().signal;
  const runner = localRunner({ words: [], ranks: 2, logs: join(folder, 'logs'), signal });
  const { watcher, video, record } = await bench(folder, []);
  await t.rejects(take({ ...watcher, runner }, video), { code: 'mpi', message: /mpirun cannot be run/ });
  t.match(await record(), { state: 'waiting', job: null, failures: 0, interruptions: 0 });
});

t.test('Slurm: a controller that is away, a job that finds another at work', async (t) => {
  const folder = t.testdir();
  const [bin, cwd, path] = [join(folder, 'bin'), process.cwd(), process.env.PATH];
  const program = async (name: string, ...lines: string[]): Promise<void> => {
    await fs.mkdir(bin, { recursive: true });
    await fs.writeFile(join(bin, name), ['#!/bin/sh', ...lines, ''].join('\n'), { mode: 0o755 });
  };
  t.teardown(() => {
    process.chdir(cwd);
    process.env.PATH = path;
  });
  process.chdir(folder); // where jobs' logs are
  process.env.PATH = `${bin}:${path}`;
  const { watcher, video, record, out } = await bench(folder, []);
  const pauses: number[] = [];
  const request = (input: string, output: string) => slurmRequest([input, output]);
  const runner = slurmRunner({
    ...{ request, log: watcher.log, signal: new AbortController().signal },
    pause: async (ms) => void pauses.push(ms),
  });
  const slurm = { ...watcher, runner };
  await program('sbatch', 'cat >/dev/null; echo x >>submitted; echo $((6 + $(wc -l <submitted)))');
  const submitted = async () => (await fs.readFile(join(folder, 'submitted'), 'utf8')).split('x').length - 1;

  await program('scontrol', 'echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1');
  await t.rejects(take(slurm, video), {
    code: 'cluster',
    message: /does not tell of job 7: .*Unable to contact/,
  });
  t.match(await record(), { state: 'running', job: '7', failures: 0 });
  await program('scontrol', 'echo "JobId=7 JobState=FAILED Reason=None ExitCode=1:0 Restarts=0 NodeList=n1"');
  const busy = 'another job is working in a.mp4.framescatter (process 1 on n1)';
  await fs.writeFile('framescatter-7.out', `framescatter: error: ${busy}\nframescatter: wait for it\n`);
  t.equal(await take(slurm, video), 'again');
  t.match(await record(), { state: 'running', job: null, failures: 0, collisions: 1, reason: busy });
  t.ok((pauses.at(-1) ?? 0) >= 60_000, 'the next job is not submitted at once');
  t.equal(await submitted(), 1);
  await program(
    'scontrol',
    'echo "JobId=8 JobState=COMPLETED Reason=None ExitCode=0:0 Restarts=0 NodeList=n1"',
  );
  await fs.rm(join(out, 'a.mp4'), { force: true });
  await program('sbatch', 'cat >/dev/null; echo x >>submitted; touch out/a.mp4; echo 8');
  t.equal(await take(slurm, video), 'done');
  t.equal(await submitted(), 2);
  t.same(await runner.follow('8').then(({ kind }) => kind), 'done');
  await program('scontrol', 'echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1');
  t.same(await runner.follow('8'), { kind: 'gone' });
});
