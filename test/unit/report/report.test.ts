import { Writable } from 'node:stream';
import t from 'tap';
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
