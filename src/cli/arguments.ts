import {
  type JobOptions,
  type QueueOptions,
  type RunOptions,
  STALL_TIMEOUT,
} from '../job/context/options.js';
import type { ModelOverrides } from '../model/load/derive-manifest.js';
import { MAX_MULTIPLE } from '../model/load/manifest.js';
import { JobError } from '../system/errors.js';
import { didYouMean } from '../system/suggestion.js';
import { commandLine } from './parsing/command-line.js';
import { encodingOf } from './parsing/encoding.js';
import { jobOptions } from './parsing/job-options.js';
import { optionValues } from './parsing/option-values.js';
import { asksForElsewhere, type ElsewhereCommand, parseElsewhere } from './remote.js';

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
  refuseUnused(argv, command);
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
const OPTIONS_OF = new Map<string, readonly string[]>([
  ['version', []],
  ['doctor', ['json']],
  ['models', ['json']],
  ['probe', ['json', 'video']],
]);

/** Refuses options that would have no effect. */
function refuseUnused(argv: readonly string[], command: string): void {
  const allowed = OPTIONS_OF.get(command);
  const end = argv.indexOf('--');
  for (const word of end === -1 ? argv : argv.slice(0, end)) {
    const [option, name = ''] = /^--?([a-z][^=]*)/.exec(word) ?? [];
    if (option === undefined || (allowed?.includes(name) ?? name !== 'json')) continue;
    throw usage(`${allowed === undefined ? 'a job' : command} takes no ${option}`);
  }
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
  return jobOptions(parser).option('json', {
    type: 'boolean',
    default: false,
    describe: 'doctor, models, probe: print JSON',
    group: 'Other:',
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
