import t from 'tap';
import { parseArguments } from '../../src/cli/arguments.js';
import type { JobOptions } from '../../src/job/options.js';

const ID = '00000000-0000-0000-0000-000000000000';

function job(...argv: string[]): JobOptions {
  const command = parseArguments(argv, '1.2.3');
  if (command.kind !== 'job') throw new Error(`parsed as ${command.kind}`);
  return command.options;
}

t.test('input and output are taken as they stand', async (t) => {
  const names = ['it\'s a $(touch x); `y` "z".mp4', '%d frames\n.mkv'] as const;
  const options = job(...names);
  t.same([options.input, options.output], names);
  t.same(
    [job('--', '-in.mp4', '--out.mp4').input, job('--', '-in.mp4', '--out.mp4').output],
    ['-in.mp4', '--out.mp4'],
  );
  t.equal(job('1', '002').output, '002', 'a name of digits is not a number');
});

t.test('defaults are those that --help states', async (t) => {
  const options = job('a', 'b');
  t.match(options, {
    model: 'wave',
    provider: 'auto',
    batch: 'auto',
    codec: 'h264',
    hwaccel: 'none',
    overwrite: false,
    verbosity: 'normal',
  });
});

t.test('bad usage is a usage error that says what is wrong', async (t) => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /INPUT and an OUTPUT/],
    [['a'], /INPUT and an OUTPUT/],
    [['a', 'b', 'c'], /INPUT and an OUTPUT/],
    [['a', ''], /INPUT and an OUTPUT/],
    [['a', 'b', '--bogus'], /bogus/],
    [['a', 'b', '--crf', '99'], /--crf/],
    [['a', 'b', '--crf', 'x'], /--crf/],
    [['a', 'b', '--batch', '0'], /--batch/],
    [['a', 'b', '--batch', '1.5'], /--batch/],
    [['a', 'b', '--strength', '2'], /--strength/],
    [['a', 'b', '--size', 'huge'], /size[\s\S]*fast[\s\S]*fine/],
    [['a', 'b', '--precision', 'fp16', '--provider', 'cpu'], /fp16 is for GPUs/],
    [['a', 'b', '--precision', 'int8', '--provider', 'cuda'], /int8 is for CPUs/],
    [['a', 'b', '--codec', 'mpeg1'], /codec/],
    [['a', 'b', '--hwaccel', 'vaapi'], /hwaccel[\s\S]*auto[\s\S]*nvdec/],
    [['a', 'b', '--hwaccel', 'cuda', '--tolerant'], /--tolerant decodes in software/],
    [['a', 'b', '--hwaccel', 'nvdec', '--tolerant'], /--tolerant decodes in software/],
    [['a', 'b', '-q', '-v'], /exclude/],
    [['probe'], /probe/],
    [['retry', '3', 'mpirun'], /retry/],
  ];
  for (const [argv, message] of cases) {
    t.throws(() => parseArguments(argv, '1'), { code: 'usage', message }, argv.join(' '));
  }
});

t.test('options of a job are understood, and misunderstood, wherever it is sent', async (t) => {
  const blob = 'https://films.blob.core.windows.net/reels';
  const places: readonly (readonly string[])[] = [
    ['submit', 'slurm', 'a', 'b'],
    ['submit', 'k8s', `${blob}/a`, `${blob}/b`, '--image', 'films.azurecr.io/framescatter:1'],
    [
      'submit',
      'aml',
      `${blob}/a`,
      `${blob}/b`,
      '--workspace',
      'studio',
      '--resource-group',
      'g',
      '--subscription',
      ID,
    ],
    ['watch', 'a', '--out', 'b'],
  ];
  const options = ['--size', 'fine', '--strength', '0.5', '--hwaccel', 'auto'];
  t.match(job('a', 'b', ...options), { size: 'fine', strength: 0.5, hwaccel: 'auto' });
  t.equal(job('a', 'b').size, undefined);
  for (const words of places) {
    const sent = parseArguments([...words, '--', ...options], '1');
    t.match(JSON.stringify(sent), /"--size","fine","--strength","0.5","--hwaccel","auto"/, words.join(' '));
    t.throws(() => parseArguments([...words, '--', '--size', 'huge'], '1'), {
      code: 'usage',
      message: /size/,
    });
  }
});

t.test('help and version come back as text', async (t) => {
  t.match(parseArguments(['--help'], '1'), { kind: 'text', text: /--provider[\s\S]*Exit codes/ });
  t.same(parseArguments(['--version'], '1.2.3'), { kind: 'text', text: '1.2.3\n' });
});

t.test('the other commands', async (t) => {
  t.same(parseArguments(['doctor'], '1'), { kind: 'doctor' });
  t.same(parseArguments(['models', '--json'], '1'), { kind: 'models', json: true });
  t.same(parseArguments(['probe', 'x y'], '1'), { kind: 'probe', input: 'x y', json: false });
  t.same(parseArguments(['retry', '2', '--', 'mpirun', '-np', '2'], '1'), {
    kind: 'retry',
    times: 2,
    command: ['mpirun', '-np', '2'],
  });
});
