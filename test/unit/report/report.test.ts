import { Writable } from 'node:stream';
import t from 'tap';
import { limitingStage, summaryLines } from '../../../src/job/report/summary.js';
import { watchOutput } from '../../../src/report/closed-output.js';
import { createLog } from '../../../src/report/log.js';
import { exitCode, JobError, messageOf, workError } from '../../../src/system/errors.js';

t.test('a log says what its verbosity allows, as text or as JSON', async (t) => {
  const lines: string[] = [];
  const write = (line: string): void => void lines.push(line);
  for (const verbosity of ['quiet', 'normal', 'verbose'] as const) {
    const log = createLog('text', verbosity, write);
    log.error('e');
    log.warn('w');
    log.info('i');
    log.detail('d');
  }
  const [e, w, i, d] = ['error: e', 'warning: w', 'i', 'd'].map((text) => `framescatter: ${text}\n`);
  t.same(lines, [e, e, w, i, e, w, i, d]);
  lines.length = 0;
  createLog('json', 'normal', write).info('half\nway', { frames: 3 });
  t.equal(lines.length, 1, 'one line whatever the message holds');
  t.match(JSON.parse(lines[0] ?? ''), { level: 'info', message: 'half\nway', frames: 3, time: /^\d{4}-/ });
});

t.test('the summary names the stage that held the others up', async (t) => {
  const seconds = { decode: 1, scatter: 0, infer: 9, gather: 0, encode: 2 };
  t.equal(limitingStage(seconds, 1), 'infer');
  t.equal(limitingStage({ ...seconds, encode: 9.5 }, 2), 'encode');
  const waits = { decode: 1, scatter: 8, infer: 2, gather: 3, encode: 1 };
  t.equal(limitingStage(waits, 2), 'transport between ranks');
  t.equal(limitingStage(waits, 1), 'infer', 'one rank has nobody to send frames to');
  t.equal(limitingStage({ decode: 0, scatter: 0, infer: 0, gather: 0, encode: 0 }, 1), 'none');
  const ranks = [1, 9].map((infer, rank) => ({
    rank,
    host: 'h',
    provider: 'cpu',
    precision: 'fp32',
    frames: 5,
    seconds: { ...seconds, infer },
  }));
  const [first, second] = summaryLines(10, { wallSeconds: 10, pipelineSeconds: 9.5 }, ranks, 2);
  t.equal(first, '10 frames in 0:10 (1.00 fps) on 2 ranks');
  t.match(second, /infer 9\.0 s.*; the limit was infer$/, 'the busiest rank counts');
});

t.test('the summary of a short job says what its time went to', async (t) => {
  const seconds = { decode: 0.1, scatter: 0, infer: 0.3, gather: 0, encode: 0.1 };
  const alone = [{ rank: 0, host: 'h', provider: 'cpu', precision: 'fp32', frames: 3, seconds }];
  const job = { wallSeconds: 2, pipelineSeconds: 0.4 };
  t.same(summaryLines(3, job, alone, 1), [
    '3 frames in 0:02 (1.50 fps) on 1 rank',
    'busy: decode 0.1 s, scatter 0.0 s, infer 0.3 s, gather 0.0 s, encode 0.1 s; ' +
      '1.6 of 2.0 s were start-up and finishing; in between, the limit was infer',
  ]);
  t.same(summaryLines(0, job, alone, 1), ['0 frames in 0:02 (0.00 fps) on 1 rank'], 'nothing was left to do');
});

t.test(
  'whatever keeps the log from being written ends nothing; results that are lost are known',
  async (t) => {
    for (const code of ['EPIPE', 'ENOSPC', 'EIO', 'EAGAIN', 'EBADF', 'EDQUOT']) {
      const broken = () =>
        new Writable({
          autoDestroy: false,
          write: (_chunk, _encoding, done) => done(Object.assign(new Error(code), { code })),
        });
      const [stdout, stderr] = [broken(), broken()];
      const { failure } = watchOutput({ stdout, stderr });
      stderr.write('lost\n');
      await new Promise(setImmediate);
      t.equal(failure(), undefined, `${code}: the log is not missed`);
      stdout.write('lost\n');
      stdout.write('lost too\n');
      await new Promise(setImmediate);
      t.equal(failure(), ['EPIPE', 'EIO'].includes(code) ? undefined : code, `${code}: standard output`);
    }
  },
);

t.test('exit codes follow from the error', async (t) => {
  t.equal(exitCode(new JobError('usage', '')), 2);
  t.equal(exitCode(new JobError('stopped', '')), 75);
  t.equal(exitCode(new JobError('input', '')), 1);
  t.equal(exitCode(new Error('other')), 1);
});

t.test('an error of the work counts before one of giving back what it held', async (t) => {
  const failing = (message: string): Disposable => ({
    [Symbol.dispose]() {
      throw new Error(message);
    },
  });
  const stopped = new JobError('stopped', 'the work');
  const thrown = await (async () => {
    using _first = failing('first');
    using _second = failing('second');
    throw stopped;
  })().catch((error: unknown) => error);
  t.not(thrown, stopped);
  t.equal(workError(thrown), stopped);
  t.equal(messageOf(thrown), 'the work');
  t.equal(exitCode(thrown), 75);
  const alone = await (async () => {
    using _ = failing('alone');
  })().catch((error: unknown) => error);
  t.equal(messageOf(alone), 'alone');
});
