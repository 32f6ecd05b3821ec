import type { Argv } from 'yargs';
import { JobError } from '../errors.js';
import {
  CODECS,
  HWACCELS,
  type JobOptions,
  type QueueOptions,
  type RunOptions,
  SPLITS,
  STALL_TIMEOUT,
} from '../job/options.js';
import { SCHEDULES } from '../job/schedule.js';
import { DEFAULT_SIZE, MODEL_SIZES } from '../model/catalogue.js';
import type { ModelOverrides } from '../model/infer.js';
import { MAX_MULTIPLE } from '../model/manifest.js';
import { didYouMean } from '../suggestion.js';
import { commandLine } from './command-line.js';
import { asksForElsewhere, type ElsewhereCommand, parseElsewhere } from './elsewhere.js';
import { CRF_HELP, encodingOf, PRESET_HELP } from './encoding.js';
import { optionValues } from './option-values.js';

/** What the command line asks for. */
export type Command =
  | { readonly kind: 'job'; readonly options: JobOptions }
  | { readonly kind: 'queue'; readonly options: QueueOptions }
  | { readonly kind: 'doctor'; readonly json: boolean }
  | { readonly kind: 'models'; readonly json: boolean }
  | {
      readonly kind: 'probe';
      readonly input: string;
      readonly json: boolean;
      readonly video: number | undefined;
    }
  | { readonly kind: 'retry'; readonly times: number; readonly command: readonly string[] }
  | { readonly kind: 'elsewhere'; readonly command: ElsewhereCommand }
  | { readonly kind: 'text'; readonly text: string };

const COMMANDS = ['doctor', 'models', 'probe', 'publish', 'invoke', 'retry', 'submit', 'version', 'watch'];

const USAGE = `Usage:
  framescatter INPUT OUTPUT [options]            restyle a video, on one rank
  mpirun -np N framescatter INPUT OUTPUT ...     the same on N ranks
  framescatter INPUT ... --out-dir DIR [options] the same for many videos, one after another
  framescatter probe INPUT                       what a job would see and do
  framescatter models                            the models at hand
  framescatter doctor                            what this machine has and lacks
  framescatter retry TIMES -- COMMAND ...        run a command again while it can be resumed
  framescatter submit slurm|aml|k8s INPUT OUTPUT run the job on a cluster; each has its own --help
  framescatter publish aml, invoke aml           the same by way of an Azure ML batch endpoint
  framescatter watch PLACE --out PLACE           run a job for each video that comes into a folder or container

Puts every frame of INPUT through a deep-learning model and writes OUTPUT with the same frames, times, sound and tags.
INPUT, OUTPUT, DIR, --model and --work-dir may be https addresses of Azure Blob storage, with or without a SAS.
(framescatter stands for: node dist/main.js. A name that begins with a dash goes after --.)`;

const EPILOGUE = `Exit codes: 0 done, 2 usage, 75 stopped but resumable by the same command, 1 anything else.
Under mpirun or srun, kill -USR2 PID-OF-MPIRUN stops a job in order; docs/troubleshooting.md says what TERM and Ctrl-C do.
Environment: FFMPEG_PATH, FFPROBE_PATH; the limits in docs/troubleshooting.md.`;
const { inRange } = optionValues(usage);

/**
 * Turns arguments into a command. Pure: touches no files and prints nothing; help and version come back as text. Bad
 * usage is a JobError `usage`.
 */
export function parseArguments(
  argv: readonly string[],
  version: string,
  environment: NodeJS.ProcessEnv = {},
): Command {
  const first = argv[0];
  if (first === 'retry') return parseRetry(argv.slice(1));
  if (asksForElsewhere(argv)) {
    return {
      kind: 'elsewhere',
      command: parseElsewhere(argv, environment, (words) => checkJob(words, version)),
    };
  }
  let text = '';
  const parser = base(version);
  const parsed = parser.parseSync([...argv], {}, (error, _parsed, output) => {
    if (error !== undefined && error !== null) throw usage(error.message);
    text = output;
  });
  if (text !== '') return { kind: 'text', text: `${text}\n` };
  const words = parsed._.map(String);
  const [command = ''] = words;
  refuseOthers(argv, isCommand(command) ? command : 'job');
  switch (command) {
    case 'version':
      expectWords(words, 1, 'version takes no arguments');
      return { kind: 'text', text: `${version}\n` };
    case 'doctor':
      expectWords(words, 1, 'doctor takes no arguments');
      return { kind: 'doctor', json: parsed.json };
    case 'models':
      expectWords(words, 1, 'models takes no arguments');
      return { kind: 'models', json: parsed.json };
    case 'probe':
      expectWords(words, 2, 'probe takes one INPUT');
      return { kind: 'probe', input: words[1] ?? '', json: parsed.json, video: videoIndex(parsed.video) };
    default:
      return jobOrQueue(parsed, words);
  }
}

/** Options of the commands that are no jobs. A job takes all but --json. */
const OPTIONS_OF = {
  version: [],
  doctor: ['json'],
  models: ['json'],
  probe: ['json', 'video'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

function isCommand(word: string): word is keyof typeof OPTIONS_OF {
  return Object.hasOwn(OPTIONS_OF, word);
}

/** Refuses options that would have no effect. */
function refuseOthers(argv: readonly string[], command: keyof typeof OPTIONS_OF | 'job'): void {
  const end = argv.indexOf('--');
  const own = end === -1 ? argv : argv.slice(0, end);
  const given = own.flatMap((word) => /^--?([a-z][^=]*)/.exec(word)?.[1] ?? []);
  const allowed: readonly string[] = command === 'job' ? [] : OPTIONS_OF[command];
  const odd = given.find((name) => (command === 'job' ? name === 'json' : !allowed.includes(name)));
  if (odd !== undefined)
    throw usage(`${command === 'job' ? 'a job' : command} takes no ${odd.length === 1 ? '-' : '--'}${odd}`);
}

function jobOrQueue(parsed: Parsed, words: readonly string[]): Command {
  const { list, 'out-dir': outDir } = parsed;
  const options = runOptionsOf(parsed);
  if (outDir === undefined) {
    if (list !== undefined) throw usage('--list goes with --out-dir');
    const meant = words.length === 1 ? didYouMean(words[0] ?? '', COMMANDS) : '';
    expectWords(
      words,
      2,
      `a job takes an INPUT and an OUTPUT, or any number of INPUTs and --out-dir${meant}`,
    );
    const [input = '', output = ''] = words;
    return { kind: 'job', options: { ...options, input, output } };
  }
  if ([outDir, list].includes('')) throw usage('--out-dir and --list take a name');
  if (list === undefined || words.length > 0) expectVideos(words);
  return { kind: 'queue', options: { ...options, inputs: words, list, outDir } };
}

function expectVideos(words: readonly string[]): void {
  if (words.length === 0 || words.includes(''))
    throw usage('--out-dir goes with at least one INPUT, or --list');
}

function checkJob(words: readonly string[], version: string): void {
  if (parseArguments(words, version).kind !== 'job') throw usage('these are not the words of a job');
}

type Parsed = ReturnType<ReturnType<typeof base>['parseSync']>;

function base(version: string) {
  const parser = commandLine(USAGE, EPILOGUE, version);
  return queueOptions(outputOptions(runOptions(modelOptions(parser)))).option('json', {
    type: 'boolean',
    default: false,
    describe: 'doctor, models, probe: print JSON',
    group: 'Other:',
  });
}

function modelOptions<T>(parser: Argv<T>) {
  const group = 'Model:';
  return parser
    .option('model', {
      type: 'string',
      default: 'wave',
      group,
      describe: 'a style (see models), a blend such as "wave:0.6,udnie:0.4", or an ONNX file',
    })
    .option('size', {
      type: 'string',
      choices: MODEL_SIZES,
      group,
      describe: `of styles that come in several sizes (see models); default ${DEFAULT_SIZE}`,
    })
    .option('strength', {
      type: 'number',
      group,
      describe: 'from the source (0) to the model (1) and past it (1.5); default 1',
    })
    .option('model-range', {
      type: 'string',
      choices: ['0..1', '0..255', '-1..1'] as const,
      group,
      describe: 'an ONNX file without a manifest: what its samples mean',
    })
    .option('model-channels', {
      type: 'string',
      choices: ['rgb', 'bgr'] as const,
      group,
      describe: 'likewise: the order of its channels',
    })
    .option('model-layout', {
      type: 'string',
      choices: ['nchw', 'nhwc'] as const,
      group,
      describe: 'likewise: where the channels are',
    })
    .option('model-scale', {
      type: 'number',
      choices: [1, 2, 3, 4] as const,
      group,
      describe: 'likewise: output size over input size',
    })
    .option('model-multiple', {
      type: 'number',
      group,
      describe: 'likewise: width and height must be multiples of this',
    });
}

function runOptions<T>(parser: Argv<T>) {
  const group = 'Running:';
  return parser
    .option('provider', {
      type: 'string',
      choices: ['auto', 'cpu', 'cuda', 'tensorrt'] as const,
      default: 'auto' as const,
      group,
      describe: 'where to run the model; auto: CUDA where it works, else the CPU',
    })
    .option('precision', {
      type: 'string',
      choices: ['auto', 'fp16', 'fp32', 'int8'] as const,
      default: 'auto' as const,
      group,
      describe:
        'auto: on GPUs fp16 for styles, else what the manifest says, on CPUs fp32; fp16: on GPUs; int8: styles on CPUs, where every processor has VNNI or AMX',
    })
    .option('batch', { type: 'string', default: 'auto', group, describe: 'frames a rank infers at once' })
    .option('threads', { type: 'string', default: 'auto', group, describe: 'CPU threads a rank infers with' })
    .option('schedule', {
      type: 'string',
      choices: SCHEDULES,
      default: 'even' as const,
      group,
      describe: 'frames of each rank: as many for all, or by measured speed',
    })
    .option('work-dir', {
      type: 'string',
      group,
      describe: 'journal and segments; default OUTPUT.framescatter. Of many videos, a folder in it for each',
    })
    .option('segment-seconds', {
      type: 'number',
      default: 4,
      group,
      describe: 'length of the segments that a stopped job can be resumed from',
    })
    .option('split', {
      type: 'string',
      choices: SPLITS,
      default: 'frames' as const,
      group,
      describe:
        'frames: the root decodes and encodes; segments: every rank does, for a piece of the video at a time; auto: the faster one',
    })
    .option('hwaccel', {
      type: 'string',
      choices: HWACCELS,
      default: 'none' as const,
      group,
      describe:
        'codecs of NVIDIA GPUs; auto: NVDEC decodes and NVENC encodes where a trial of them works; nvdec, nvenc, cuda (both): they do, or the job fails',
    })
    .option('stall-timeout', {
      type: 'number',
      default: STALL_TIMEOUT,
      group,
      describe: 'seconds in which nothing moves that end the job, resumably; 0: never',
    })
    .option('restart', {
      type: 'boolean',
      default: false,
      group,
      describe: 'throw away what an earlier, stopped run has done',
    })
    .option('tolerant', {
      type: 'boolean',
      default: false,
      group,
      describe: 'go on over damaged frames; otherwise damage is an error',
    })
    .option('strict', {
      type: 'boolean',
      default: false,
      group,
      describe: 'fail if the model gives NaN or infinity in any frame; otherwise that is a warning',
    })
    .option('video', {
      type: 'string',
      group,
      describe: 'number of the video stream to process, of several, as probe prints it; default the main one',
    });
}

function outputOptions<T>(parser: Argv<T>) {
  const group = 'Output:';
  return parser
    .option('overwrite', { type: 'boolean', default: false, group, describe: 'replace existing outputs' })
    .option('codec', {
      type: 'string',
      choices: CODECS,
      default: 'h264' as const,
      group,
      describe: 'video codec',
    })
    .option('crf', { type: 'number', group, describe: CRF_HELP })
    .option('preset', { type: 'string', group, describe: PRESET_HELP })
    .option('format', {
      type: 'string',
      group,
      describe: 'container, where the name of OUTPUT does not tell (mp4, mov, mkv, webm)',
    })
    .option('report', { type: 'string', group, describe: 'write a JSON report of the run to this file' })
    .option('log-format', {
      type: 'string',
      choices: ['text', 'json'] as const,
      default: 'text' as const,
      group,
      describe: 'form of the lines on standard error',
    })
    .option('quiet', { type: 'boolean', alias: 'q', default: false, group, describe: 'only errors' })
    .option('verbose', { type: 'boolean', alias: 'v', default: false, group, describe: 'every decision' });
}

function queueOptions<T>(parser: Argv<T>) {
  const group = 'Many videos:';
  return parser
    .option('out-dir', {
      type: 'string',
      group,
      describe:
        'every INPUT is a video or a folder of videos; outputs go here, those already here are skipped',
    })
    .option('list', {
      type: 'string',
      group,
      describe: 'a text file that names more videos, one a line (or each followed by a NUL character)',
    });
}

function runOptionsOf(parsed: Parsed): RunOptions {
  if (parsed.quiet && parsed.verbose) throw usage('--quiet and --verbose exclude each other');
  if (parsed.precision === 'fp16' && parsed.provider === 'cpu') {
    throw usage('--precision fp16 is for GPUs: with --provider cpu a model runs in fp32 or int8');
  }
  if (parsed.precision === 'int8' && ['cuda', 'tensorrt'].includes(parsed.provider)) {
    throw usage(`--precision int8 is for CPUs: with --provider ${parsed.provider} it says nothing`);
  }
  const { hwaccel } = parsed;
  if (parsed.tolerant && (hwaccel === 'nvdec' || hwaccel === 'cuda')) {
    throw usage(`--tolerant decodes in software, which --hwaccel ${hwaccel} excludes`);
  }
  return {
    model: parsed.model,
    size: parsed.size,
    strength: inRange('strength', parsed.strength, 0, 1.5),
    modelOverrides: modelOverrides(parsed),
    provider: parsed.provider,
    precision: parsed.precision,
    batch: autoOrCount('batch', parsed.batch, 256),
    threads: autoOrCount('threads', parsed.threads, 1024),
    schedule: parsed.schedule,
    ...encodingOf({ codec: parsed.codec, crf: parsed.crf, preset: parsed.preset }, usage),
    format: parsed.format,
    segmentSeconds: inRange('segment-seconds', parsed['segment-seconds'], 0.1, 3600) ?? 4,
    split: parsed.split,
    stallTimeout: stallTimeout(parsed['stall-timeout']),
    hwaccel,
    workDir: parsed['work-dir'],
    restart: parsed.restart,
    overwrite: parsed.overwrite,
    tolerant: parsed.tolerant,
    strict: parsed.strict,
    video: videoIndex(parsed.video),
    report: parsed.report,
    logFormat: parsed['log-format'],
    verbosity: parsed.quiet ? 'quiet' : parsed.verbose ? 'verbose' : 'normal',
  };
}

function modelOverrides(parsed: Parsed): ModelOverrides {
  const multiple = inRange('model-multiple', parsed['model-multiple'], 1, MAX_MULTIPLE);
  return {
    ...(parsed['model-range'] === undefined ? {} : { range: parsed['model-range'] }),
    ...(parsed['model-channels'] === undefined ? {} : { channels: parsed['model-channels'] }),
    ...(parsed['model-layout'] === undefined ? {} : { layout: parsed['model-layout'] }),
    ...(parsed['model-scale'] === undefined ? {} : { scale: parsed['model-scale'] }),
    ...(multiple === undefined ? {} : { multiple }),
  };
}

function autoOrCount(name: string, text: string, most: number): 'auto' | number {
  if (text === 'auto') return 'auto';
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= most) return count;
  throw usage(`--${name} takes auto or a whole number from 1 to ${most}, not ${JSON.stringify(text)}`);
}

function stallTimeout(seconds: number): number {
  if (seconds === 0) return 0;
  return inRange('stall-timeout', seconds, 5, 1e6) ?? STALL_TIMEOUT;
}

function videoIndex(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw usage(`--video takes the number of a stream, from 0, not ${JSON.stringify(text)}`);
}

function parseRetry(words: readonly string[]): Command {
  const [times, dashes, ...command] = words;
  if (times !== undefined && /^\d{1,4}$/.test(times) && dashes === '--' && command.length > 0) {
    return { kind: 'retry', times: Number(times), command };
  }
  throw usage(
    'retry takes a number of times, --, and a command, e.g. retry 5 -- mpirun -np 8 node dist/main.js ...',
  );
}

function expectWords(words: readonly string[], count: number, message: string): void {
  if (words.length !== count || words.includes(''))
    throw usage(`${message} (got ${words.length === 0 ? 'nothing' : words.join(' ')})`);
}

function usage(message: string): JobError {
  return new JobError('usage', message, { hint: 'framescatter --help lists the options' });
}
