import t from 'tap';
import { parseArguments } from '../../../src/cli/arguments.js';
import type { JobOptions } from '../../../src/job/context/options.js';
import { CODEC_FACTS } from '../../../src/video/codecs/codecs.js';

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
    [['a', 'b', '--steady', '1.1'], /--steady/],
    [['a', 'b', '--size', 'huge'], /size[\s\S]*fast[\s\S]*fine/],
    [['a', 'b', '--precision', 'fp16', '--provider', 'cpu'], /fp16 is for GPUs/],
    [
      ['a', 'b', '--precision', 'fp16', '--provider', 'webgpu'],
      /with --provider webgpu a model runs in fp32/,
    ],
    [['a', 'b', '--precision', 'int8', '--provider', 'cuda'], /int8 is for CPUs/],
    [['a', 'b', '--precision', 'int8', '--provider', 'webgpu'], /int8 is for CPUs/],
    [['a', 'b', '--codec', 'mpeg1'], /codec/],
    [['a', 'b', '--hwaccel', 'vaapi'], /hwaccel[\s\S]*auto[\s\S]*nvdec/],
    [['a', 'b', '--hwaccel', 'cuda', '--tolerant'], /--tolerant decodes in software/],
    [['a', 'b', '--hwaccel', 'nvdec', '--tolerant'], /--tolerant decodes in software/],
    [['a', 'b', '-q', '-v'], /exclude/],
    [['a', 'b', '--video', 'first'], /--video takes the number of a stream/],
    [['a', 'b', '--video', '-1'], /--video takes the number of a stream/],
    [['a', 'b', '--video='], /--video takes a value, and was given an empty value/],
    [['probe'], /probe/],
    [['compare', 'a'], /compare takes two videos, A and B \(got a\)/],
    [['compare', 'a', 'b', 'c'], /compare takes two videos/],
    [['compare', 'a', 'b', '--crf', '1'], /unknown option --crf/],
    [['compare', 'a', 'b', '--report', ''], /--report takes a value/],
    [['retry', '3', 'mpirun'], /retry/],
  ];
  for (const [argv, message] of cases) {
    t.throws(() => parseArguments(argv, '1'), { code: 'usage', message }, argv.join(' '));
  }
});

t.test('--bitrate and --encoder-option take what the codec does', async (t) => {
  const bitrate = (text: string) => job('a', 'b', '--bitrate', text).bitrate;
  t.same(['5M', '800k', '2.5m', '10000', '1000M'].map(bitrate), [5e6, 8e5, 2.5e6, 1e4, 1e9]);
  t.equal(job('a', 'b').bitrate, undefined);
  const options = job(
    'a',
    'b',
    '--encoder-option',
    'tune=film',
    '--encoder-option',
    'aq-mode=3',
  ).encoderOptions;
  t.same(options, [
    ['aq-mode', '3'],
    ['tune', 'film'],
  ]);
  t.same(job('a', 'b').encoderOptions, []);
  t.match(job('a', 'b', '--codec', 'av1', '--encoder-option', 'film-grain=8'), { codec: 'av1' });
  for (const [words, message] of [
    ['--bitrate 5X', /--bitrate takes bits per second/],
    ['--bitrate 9k', /from 10k to 1000M/],
    ['--bitrate 5M:x', /--bitrate takes/],
    ['--bitrate 5M --crf 20', /exclude each other/],
    ['--bitrate 5M --codec ffv1', /ffv1 takes no --bitrate: it is lossless/],
    ['--bitrate 5M --codec prores', /takes no --bitrate/],
    ['--encoder-option tune', /takes NAME=VALUE/],
    ['--encoder-option tune=', /takes NAME=VALUE/],
    ['--encoder-option tunr=film', /no --encoder-option "tunr": did you mean tune/],
    ['--encoder-option tune=loud', /tune of h264 takes film, .*, and cannot be "loud"/],
    ['--encoder-option tune=film:log-level=debug', /cannot be/],
    ['--encoder-option aq-mode=2:stats=x', /cannot be "2:stats=x"/],
    ['--encoder-option aq-mode=1e0', /cannot be/],
    ['--encoder-option aq-mode=1.5', /whole number from 0 to 3/],
    ['--encoder-option x264-params=stats=x', /takes no --encoder-option/],
    ['--encoder-option stats=x', /takes no/],
    ['--encoder-option g=1', /takes no/],
    ['--encoder-option threads=1', /takes no/],
    ['--encoder-option __proto__=1', /takes no/],
    ['--encoder-option tune=film --encoder-option tune=grain', /tune is given twice/],
    ['--codec dnxhr --encoder-option tune=film', /it takes none/],
    ['--codec av1 --encoder-option film-grain=51', /from 0 to 50/],
  ] as const) {
    t.throws(() => job('a', 'b', ...words.split(' ')), { code: 'usage', message }, words);
  }
  t.throws(() => job('a', 'b', '--encoder-option', 'aq-mode=1\n-x'), { message: /cannot be/ });
  for (const words of ['--bitrate 5M', '--encoder-option tune=film'])
    t.throws(() => job('a', 'b.csv', ...words.split(' ')), {
      message: /does not apply where OUTPUT is a table/,
    });
});

t.test('--max-size and --resize take sizes', async (t) => {
  t.same(job('a', 'b', '--max-size', '1280x720').frameSize, { kind: 'at most', width: 1280, height: 720 });
  t.same(job('a', 'b', '--resize', '64X36').frameSize, { kind: 'exactly', width: 64, height: 36 });
  t.same(job('a', 'b', '--resize', 'autox36').frameSize, { kind: 'exactly', width: undefined, height: 36 });
  t.equal(job('a', 'b').frameSize, undefined);
  for (const [option, texts] of [
    ['--max-size', ['1280', '1280x', '0x720', '15x720', '1280x16385', 'autox720', '1e3x720', '1x1;x']],
    ['--resize', ['autoxauto', '1280:720', '99999x1', 'x']],
  ] as const) {
    for (const text of texts)
      t.throws(() => job('a', 'b', option, text), { code: 'usage', message: `${option} takes` }, text);
  }
  t.throws(() => job('a', 'b', '--max-size', '9x9', '--resize', '9x9'), { message: /exclude each other/ });
});

t.test('an ending of --table waits for the name of an output in a folder', async (t) => {
  t.equal(job('a', 'b.mp4', '--table', '.csv').table, 'b.mp4.csv');
  for (const output of ['b/', 'b', '.', 'b.mp4/'])
    t.equal(job('a', output, '--table', '.csv').table, '.csv', output);
});

t.test('--fps takes decimals and fractions', async (t) => {
  const fps = (text: string) => job('a', 'b.csv', '--fps', text).fps;
  t.same(['1', '0.5', '1/2', '25.00', '29.97', '60000/2002', '10000'].map(fps), [
    ...[
      { num: 1, den: 1 },
      { num: 1, den: 2 },
      { num: 1, den: 2 },
      { num: 25, den: 1 },
    ],
    ...[
      { num: 2997, den: 100 },
      { num: 30000, den: 1001 },
      { num: 10000, den: 1 },
    ],
  ]);
  t.equal(job('a', 'b.csv').fps, undefined);
  for (const text of ['0', '-1', '1/0', '0/5', '1e3', '.5', 'x', '', '1/2/3', '10001', '1/2.5', '1000000000'])
    t.throws(
      () => fps(text),
      { code: 'usage', message: /--fps takes a (?:number above 0, at most 10000|value, and was given)/ },
      text,
    );
  for (const [argv, message] of [
    [['a', 'b.csv', '--fps', '1', '--every', '2'], /--fps and --every exclude each other/],
    [['a', 'b.mp4', '--fps', '1'], /--fps goes with a table as OUTPUT/],
    [['a', '--out-dir', 'b', '--fps', '1'], /--fps goes with a table as OUTPUT, or --format parquet/],
    [['a', '--out-dir', 'b', '--trace', 't.json'], /--trace goes with one INPUT and one OUTPUT/],
  ] as const) {
    t.throws(() => parseArguments(argv, '1'), { code: 'usage', message }, argv.join(' '));
  }
});

t.test('--output names the files of further tables', async (t) => {
  const { outputs } = job('a', 'b.csv', '--output', 'x=y.parquet', '--output', 'z=c=d.CSV');
  t.same(
    [...outputs],
    [
      ['x', 'y.parquet'],
      ['z', 'c=d.CSV'],
    ],
  );
  t.same([...job('a', 'b.mp4', '--output', 'x=y.MOV').outputs], [['x', 'y.MOV']], 'or a video');
  t.equal(job('a', 'b.csv', '--output=x=https://h/c/b.jsonl?sig=1').outputs.size, 1);
  for (const [argv, message] of [
    [
      ['a', 'b.csv', '--output', 'x'],
      /--output takes NAME=FILE, where FILE ends in .parquet, .jsonl or .csv/,
    ],
    [['a', 'b.csv', '--output', '=x.csv'], /--output takes NAME=FILE/],
    [['a', 'b.csv', '--output', 'x=y.avi'], /--output takes NAME=FILE/],
    [
      ['a', 'b.csv', '--output', 'x=y.mp4'],
      /--output x is a video, which goes beside a video: OUTPUT is a table/,
    ],
    [['a', 'b.csv', '--output', 'x=y.csv', '--output', 'x=z.csv'], /--output x is given twice/],
    [['a', '--out-dir', 'b', '--output', 'x=y.csv'], /--output goes with one INPUT and one OUTPUT/],
  ] as const) {
    t.throws(() => parseArguments(argv, '1'), { code: 'usage', message }, argv.join(' '));
  }
});

t.test('an empty value is no number, in any command', async (t) => {
  const cases: readonly (readonly [readonly string[], string])[] = [
    [['a', 'b', '--strength='], 'strength'],
    [['a', 'b', '--crf', ''], 'crf'],
    [['a', 'b', '--crf', ' ', '--overwrite'], 'crf'],
    [['a', '--out-dir', 'b', '--segment-seconds='], 'segment-seconds'],
    [['a', 'b', '--model-multiple='], 'model-multiple'],
    [['submit', 'slurm', 'a', 'b', '--gpus-per-node='], 'gpus-per-node'],
    [['submit', 'slurm', 'a', 'b', '--', '--crf='], 'crf'],
    [['submit', 'k8s', 'a', 'b', '--workers='], 'workers'],
    [['submit', 'aml', 'a', 'b', '--nodes', ''], 'nodes'],
    [['watch', 'a', '--out', 'b', '--tries='], 'tries'],
    [['watch', 'a', '--out', 'b', '--', '--strength='], 'strength'],
  ];
  for (const [argv, option] of cases) {
    const message = new RegExp(`--${option} takes a number, and was given an empty value`);
    t.throws(() => parseArguments(argv, '1'), { code: 'usage', message }, argv.join(' '));
  }
  for (const [argv, message] of [
    [['a', 'b', '--steady', '-q'], /--steady takes a number, and was given none/],
    [['a', 'b', '--canvas', '--steady', '0.7'], /--canvas takes a number, and was given none/],
    [['a', 'b', '-q', '--max-hours'], /--max-hours takes a number, and was given none/],
    [['a', 'b', '--report', ''], /--report takes a value, and was given an empty value/],
    [['a', 'b', '--report', '--overwrite'], /--report takes a value, and was given none/],
    [['preview', 'a', 'b.png', '--steady', '7'], /steady/],
  ] as const)
    t.throws(() => parseArguments([...argv], '1'), { code: 'usage', message }, argv.join(' '));
  t.match(job('a', 'b', '--report=-odd.html'), { report: '-odd.html' });
  t.match(job('a', 'b', '--strength', '0', '--crf=0'), { strength: 0, crf: 0, steady: 0 });
  t.match(job('a', 'b', '--steady', '0.7'), { steady: 0.7 });
  t.match(job('--', 'a', '--crf='), { output: '--crf=' }, 'a name is none');
});

t.test('a codec has the names that people use, and follows the container where none is named', async (t) => {
  const names = { h264: ['avc', 'X264', 'H.264'], hevc: ['h265', 'libx265', 'HEVC'], av1: ['AV1'] };
  for (const [codec, given] of Object.entries(names)) {
    for (const name of given) t.equal(job('a.mp4', 'b.mkv', '--codec', name).codec, codec, name);
  }
  const usual = {
    'b.mp4': 'h264',
    'b.mkv': 'h264',
    'b.webm': 'vp9',
    'https://a.blob.core.windows.net/b/c.WebM?sv=1': 'vp9',
  };
  for (const [output, codec] of Object.entries(usual)) t.equal(job('a.mp4', output).codec, codec, output);
  t.equal(job('a.mp4', 'b', '--format', 'webm').codec, 'vp9');
  t.equal(job('a.mp4', 'b.webm', '--codec', 'av1').codec, 'av1');
  t.throws(() => job('a.mp4', 'b.csv', '--codec', 'h264'), { message: /--codec does not apply/ });
});

t.test('what is run again when it was stopped has no limit of a run', async (t) => {
  for (const limit of ['--max-hours 2', '--max-cost 2 --price 1']) {
    const words = ['submit', 'slurm', 'a.mp4', 'b.mp4', '--', ...limit.split(' ')];
    t.throws(
      () => parseArguments(words, '1'),
      { code: 'usage', message: /counts each run by itself/ },
      limit,
    );
  }
  const pictures = ['submit', 'slurm', 'a.jpg', 'b.csv', '--', '--list', 'x.txt'];
  t.throws(() => parseArguments(pictures, '1'), { message: /OUTPUT is a table of pictures/ });
});

t.test('audio and subtitles are kept, encoded or left out', async (t) => {
  const asked = (...words: string[]) => job('a.mp4', 'b.mp4', ...words);
  t.match(asked(), { audio: { kind: 'keep' }, subtitles: 'keep' });
  t.match(asked('--audio', 'copy', '--subtitles', 'copy'), { audio: { kind: 'keep' }, subtitles: 'keep' });
  t.match(asked('--audio', 'none', '--subtitles', 'none'), { audio: { kind: 'none' }, subtitles: 'none' });
  t.same(asked('--audio', 'aac:192k').audio, { kind: 'encode', codec: 'aac', bitRate: '192k' });
  t.same(asked('--audio', 'flac').audio, { kind: 'encode', codec: 'flac', bitRate: undefined });
  for (const wrong of ['dts', 'aac:', 'aac:0k', 'aac:192', 'flac:192k', 'aac:99999k', 'AAC', 'toString'])
    t.throws(
      () => asked('--audio', wrong),
      { code: 'usage', message: /^--audio takes copy, none, or a codec/ },
      wrong,
    );
  for (const option of ['audio', 'subtitles'])
    t.throws(() => job('a.mp4', 'b.csv', `--${option}`, 'none'), {
      message: /does not apply where OUTPUT is a table/,
    });
});

t.test('quality and speed are what the encoder of the codec takes', async (t) => {
  const good: readonly (readonly string[])[] = [
    ['h264', '--crf', '51', '--preset', 'veryslow'],
    ['hevc', '--crf', '0', '--preset', 'ultrafast'],
    ['vp9', '--crf', '63', '--preset', '8'],
    ['av1', '--crf', '63', '--preset', '13'],
    ['prores', '--preset', '0'],
    ['prores', '--preset', 'hq'],
    ['ffv1'],
  ];
  for (const words of good) t.equal(job('a', 'b', '--codec', ...words).codec, words[0], words.join(' '));
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [['h264', '--crf', '52'], /--crf takes a number from 0 to 51 for h264/],
    [['hevc', '--preset', '4'], /--preset of hevc is one of ultrafast, .*placebo, and cannot be "4"/],
    [['h264', '--preset', ''], /--preset takes a value, and was given an empty value/],
    [['vp9', '--preset', 'slow'], /--preset of vp9 is one of 0, 1, .*8, and cannot be "slow"/],
    [['av1', '--preset', '14'], /--preset of av1 is one of 0, .*13, and/],
    [['av1', '--crf', '64'], /from 0 to 63 for av1/],
    [['prores', '--preset', 'medium'], /--preset of prores is one of 0, .*5, proxy, .*4444xq/],
    [['prores', '--crf', '18'], /prores takes no --crf: .*profile/],
    [['ffv1', '--crf', '0'], /ffv1 takes no --crf/],
    [['ffv1', '--preset', 'medium'], /ffv1 takes no --preset/],
  ];
  for (const [words, message] of wrong) {
    const argv = ['a', 'b', '--codec', ...words];
    t.throws(() => parseArguments(argv, '1'), { code: 'usage', message }, words.join(' '));
  }
});

t.test('sequences of pictures say their format, and take options of their own', async (t) => {
  const options = (argv: readonly string[]) => {
    const command = parseArguments(argv, '1');
    return command.kind === 'job' ? command.options : undefined;
  };
  t.match(options(['in.mp4', 'f/%06d.tif', '--start-number', '0']), { codec: 'tiff', startNumber: 0 });
  t.match(options(['s/%d.png', 'o.mp4', '--frame-rate', '23.976']), { frameRate: { num: 2997, den: 125 } });
  t.match(options(['s/%d.png', 'f/%d.jpg']), { codec: 'jpeg', frameRate: undefined, startNumber: undefined });
  t.match(options(['s/%d.png', 'rows.csv']), { input: 's/%d.png' });
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [['in.mp4', 'out.mp4', '--frame-rate', '24'], /--frame-rate goes with a sequence/],
    [['in.mp4', 'out.mp4', '--start-number', '1'], /--start-number goes with a sequence/],
    [['in.mp4', '%d.png', '--start-number', '-1'], /--start-number takes a whole number/],
    [['%d.png', 'out.mp4', '--frame-rate', '0'], /--frame-rate takes/],
    [['in.mp4', '%d.png', '--codec', 'h264'], /--codec does not apply/],
    [['in.mp4', '%d.png', '--crf', '18'], /png takes no --crf/],
    [['in.mp4', '%d.jpg', '--depth', '10'], /--depth of --codec jpeg is 8/],
    [['in.mp4', '%d.png', '--audio', 'none'], /--audio does not apply/],
    [['in.mp4', '%d.png', '--format', 'mp4'], /--format does not apply/],
    [['%d.png', 'out.mp4', '--tolerant'], /--tolerant does not apply/],
    [['%d.png', '--out-dir', 'd'], /%d\.png is a sequence of pictures, which goes with one INPUT/],
    [['in.mp4', 'https://a.blob.core.windows.net/c/%06d.png'], /lies in a folder, not in Blob storage/],
  ];
  for (const [argv, message] of wrong)
    t.throws(() => parseArguments(argv, '1'), { code: 'usage', message }, argv.join(' '));
});

t.test('job --help states the real defaults of every codec, and how far they go', async (t) => {
  const help = parseArguments(['job', '--help'], '1');
  const text = help.kind === 'text' ? help.text.replaceAll(/\s+/g, ' ') : '';
  for (const [codec, { crf, preset }] of Object.entries(CODEC_FACTS)) {
    const crfs = typeof crf === 'string' ? '' : `${codec} 0 to ${crf.most} (default ${crf.byDefault})`;
    t.ok(text.includes(crfs), crfs);
    if (typeof preset === 'string') continue;
    const [first, last] = [preset.allowed[0], preset.allowed.at(-1)];
    const presets = `${codec} ${first} to ${last} (default ${preset.byDefault})`;
    t.ok(text.includes(presets), presets);
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
  const options = ['--size', 'fine', '--strength', '0.5', '--hwaccel', 'auto', '--video', '1'];
  t.match(job('a', 'b', ...options), { size: 'fine', strength: 0.5, hwaccel: 'auto', video: 1 });
  t.same([job('a', 'b').size, job('a', 'b').video], [undefined, undefined]);
  for (const words of places) {
    const sent = parseArguments([...words, '--', ...options], '1');
    t.match(
      JSON.stringify(sent),
      /"--size","fine","--strength","0.5","--hwaccel","auto","--video","1"/,
      words.join(' '),
    );
    t.throws(() => parseArguments([...words, '--', '--size', 'huge'], '1'), {
      code: 'usage',
      message: /size/,
    });
  }
});

t.test('help and version come back as text', async (t) => {
  t.match(parseArguments(['--help'], '1'), { kind: 'text', text: /submit slurm[\s\S]*Exit codes/ });
  for (const words of [
    ['job', '--help'],
    ['in.mp4', '--help'],
  ])
    t.match(parseArguments(words, '1'), { kind: 'text', text: /--provider[\s\S]*Exit codes/ });
  t.same(parseArguments(['--version'], '1.2.3'), { kind: 'text', text: '1.2.3\n' });
});

t.test('the other commands', async (t) => {
  t.same(parseArguments(['doctor'], '1'), { kind: 'doctor', json: false });
  t.same(parseArguments(['doctor', '--json'], '1'), { kind: 'doctor', json: true });
  for (const words of [['version'], ['-V'], ['--version']])
    t.same(parseArguments(words, '1.2.3'), { kind: 'text', text: '1.2.3\n' });
  t.same(parseArguments(['models', '--json'], '1'), { kind: 'models', json: true });
  t.match(parseArguments(['probe', 'x y'], '1'), { kind: 'probe', input: 'x y', json: false });
  t.match(parseArguments(['probe', 'x', '--video', '2'], '1'), { kind: 'probe', video: 2 });
  t.same(parseArguments(['retry', '2', '--', 'mpirun', '-np', '2'], '1'), {
    kind: 'retry',
    times: 2,
    command: ['mpirun', '-np', '2'],
  });
});

t.test('a mistyped name is answered with the one that was meant', async (t) => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['a', 'b', '--modle', 'wave'], /^unknown option --modle: did you mean --model\?$/],
    [['a', 'b', '--segment_seconds', '3'], /did you mean --segment-seconds\?$/],
    [['a', 'b', '--zzzzzz', '3'], /^unknown option --zzzzzz$/],
    [['a', 'b', '--codec', 'hevd'], /^--codec is one of h264, .*cannot be "hevd": did you mean hevc\?$/],
    [
      ['a', 'b', '--hwaccel', 'nvidia'],
      /^--hwaccel is one of none, auto, nvdec, nvenc, cuda, and cannot be "nvidia"/,
    ],
    [['modles'], /"modles" is no command: did you mean models\?/],
    [['submit', 'slum', 'a', 'b'], /^submit takes slurm, aml or k8s next: did you mean slurm\?$/],
    [['job', 'models'], /INPUT and an OUTPUT/],
    [['submit', 'slurm', 'a', 'b', '--partitoin', 'gpu'], /did you mean --partition\?$/],
    [['watch', 'a', '--out', 'b', '--pol', '3'], /did you mean --poll\?$/],
  ];
  for (const [argv, message] of cases) {
    t.throws(() => parseArguments(argv, '1'), { code: 'usage', message }, argv.join(' '));
  }
});

t.test('nothing is accepted and ignored', async (t) => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['models', '--size', 'fine'], /unknown option --size/],
    [['doctor', '-v'], /unknown option -v/],
    [['version', '--json'], /unknown option --json/],
    [['probe', 'a', '--model', 'wave'], /unknown option --model/],
    [['a', 'b', '--json'], /unknown option --json/],
    [['submit', 'slurm', 'a', 'b', '--', '--json'], /unknown option --json/],
    [['invoke', 'aml', 'a', 'b', '--nodes', '2'], /unknown option --nodes/],
    [['a', 'b', '--model', 'wave', '--model', 'udnie'], /--model is given twice: wave and udnie/],
    [['a', 'b', '--crf', '20', '--crf=20'], /--crf is given twice/],
    [['a', 'b.mp4', '--format', 'mkv'], /--format mkv contradicts the name of OUTPUT, which says mp4/],
    [['a', 'https://x.blob.core.windows.net/c/b.mov?sig=1', '--format', 'mp4'], /which says mov/],
    [['a', 'b.mp4', '--format', 'csv'], /--format csv contradicts the name of OUTPUT, which says mp4/],
    [['a', 'b.csv', '--format', 'parquet'], /--format parquet contradicts .*, which says csv/],
    [
      ['a', '--out-dir', 'b', '--format', 'csv', '--codec', 'vp9'],
      /--codec does not apply where OUTPUT is a table/,
    ],
    [['a', 'b', '--format', 'csv', '--table', 'c.csv'], /--table does not apply where OUTPUT is a table/],
    [['a', '--out-dir', 'b', '--table', 'c.csv'], /--table c.csv goes with one INPUT .* such as .parquet/],
  ];
  for (const [argv, message] of cases) {
    t.throws(() => parseArguments(argv, '1'), { code: 'usage', message }, argv.join(' '));
  }
  t.equal(job('a', 'x/b.mkv', '--table', '.csv').table, 'x/b.mkv.csv', 'beside OUTPUT');
  const blob = 'https://films.blob.core.windows.net/out';
  t.equal(job('a', `${blob}/b.mkv?sv=1&sig=1`, '--table', '.jsonl').table, `${blob}/b.mkv.jsonl?sv=1&sig=1`);
  t.match(job('a', 'b', '--format', 'parquet', '--every', '3'), { format: 'parquet', every: 3 });
  t.equal(job('a', 'b.ndjson', '--format', 'jsonl').format, 'jsonl', 'the same format');
  const tables = parseArguments(['a', 'b', '--out-dir', 'c', '--format', 'csv', '--fps', '1'], '1');
  t.match(tables, { kind: 'queue', options: { format: 'csv', fps: { num: 1, den: 1 } } });
  t.match(job('a', 'b', '-v', '--verbose'), { verbosity: 'verbose' }, 'a switch may be repeated');
  t.equal(job('a', 'b.m4v', '--format', 'mp4').format, 'mp4', 'the same container');
  t.equal(job('a', 'b.bin', '--format', 'mkv').format, 'mkv');
  t.match(job('--', 'a', '--json'), { output: '--json' });
});

t.test('help fits a terminal of 80 columns, and begins with how to use it', async (t) => {
  const commands = [
    ...['job', 'preview', 'probe', 'models', 'doctor', 'submit slurm', 'submit aml', 'submit k8s'],
    ...['publish aml', 'invoke aml', 'watch', 'retry', 'completion', 'version'],
  ];
  const overview = parseArguments(['--help'], '1');
  for (const name of commands) {
    const help = parseArguments([...name.split(' '), '--help'], '1');
    const text = help.kind === 'text' ? help.text : '';
    t.ok(text.startsWith(`Usage:\n  framescatter ${name}`), name);
    if (name !== 'version')
      t.ok(text.indexOf('Examples:') < text.indexOf('--help'), `${name}: examples first`);
    for (const line of text.split('\n')) t.ok(line.length <= 80, `${name}: ${line}`);
    t.match(overview, { text: new RegExp(`^  ${name} `, 'm') });
  }
  const lines = overview.kind === 'text' ? overview.text.split('\n') : [];
  for (const line of lines) t.ok(line.length <= 80, line);
  for (const parent of ['submit', 'publish', 'invoke']) {
    t.match(parseArguments([parent, '--help'], '1'), { kind: 'text', text: new RegExp(`  ${parent} aml `) });
  }
});
