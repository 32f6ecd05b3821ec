import { isEnding, type OutputNaming } from '../../job/output/output-name.js';
import type { LogFormat, Verbosity } from '../../report/log.js';
import { isAddress, parseQueue } from '../../storage/location/location.js';
import { JobError } from '../../system/errors.js';
import { type AmlCommand, parseAml } from '../aml/parse-aml.js';
import {
  type CheckJob,
  type CommandSpec,
  parseCommand,
  type Text,
  usageError,
} from '../parsing/command-line.js';
import { loggingOf, loggingOptions } from '../parsing/common-options.js';
import { optionValues } from '../parsing/option-values.js';
import { refuseSecrets } from '../parsing/secret-args.js';
import { parseSlurm } from '../slurm/parse-slurm.js';

/** The place where `watch` runs jobs. */
export type RunKind = 'local' | 'slurm' | 'aml';

/** The request of `watch`. */
export type WatchCommand = {
  readonly kind: 'watch';
  readonly input: string;
  readonly output: string;
  /** The queue of uploads to `input`, which is not listed then. */
  readonly queue: string | undefined;
  readonly state: string | undefined;
  readonly run: RunKind;
  /** The arguments after INPUT and OUTPUT of the command that runs or submits a job. */
  readonly words: readonly string[];
  /** The options among them that decide the outputs' names. */
  readonly naming: OutputNaming;
  readonly ranks: number;
  readonly jobs: number;
  readonly tries: number;
  readonly pollSeconds: number;
  readonly mostBytes: number;
  /** The number of new videos per day; undefined: any. */
  readonly mostPerDay: number | undefined;
  /** Probe a video on this machine before its job starts on a cluster. */
  readonly probe: boolean;
  readonly once: boolean;
  /** Port of the status page; 0: any free one; undefined: none. */
  readonly statusPort: number | undefined;
  /** Folder for a page of each job; undefined: none. */
  readonly reportDir: string | undefined;
  readonly logFormat: LogFormat;
  readonly verbosity: Verbosity;
};

export const WATCH = {
  name: 'watch',
  about: 'Run a job for each video that comes into a folder or container',
  forms: ['PLACE --out PLACE [options] [-- JOB OPTIONS]'],
  examples: [
    'framescatter watch incoming/ --out styled/ -- --model wave',
    'framescatter watch incoming/ --out styled/ --run slurm -- --nodes 2',
    'framescatter watch CONTAINER --queue QUEUE --out CONTAINER --run aml',
  ],
  text:
    'PLACE is a folder, or a container of Blob storage or a folder in one. Each video is done once, by any number of ' +
    'watchers. With --queue, messages of Event Grid tell which videos came. After -- stand the options of the job or, ' +
    'for slurm and aml, those of submit, and after another -- those of the job.',
  epilogue: `Exit codes: 0; 75 stopped with work left, which the next watcher resumes; with --once, 1 where a video or a message was set aside.
docs/watch.md tells about state, failures and clusters.`,
  options: (parser) =>
    loggingOptions(
      parser
        .option('out', { type: 'string', describe: 'where the outputs go, under the names of their videos' })
        .option('queue', { type: 'string', describe: 'a storage queue that gets the events of PLACE' })
        .option('run', {
          type: 'string',
          choices: ['local', 'slurm', 'aml'] as const,
          default: 'local' as const,
          describe: 'where the jobs run',
        })
        .option('ranks', {
          type: 'number',
          default: 0,
          describe: 'local: ranks under mpirun; 0 is without mpirun',
        })
        .option('jobs', { type: 'number', default: 1, describe: 'videos in work at once' })
        .option('tries', { type: 'number', default: 3, describe: 'failed runs before a video is set aside' })
        .option('max-gib', { type: 'number', default: 1024, describe: 'larger videos are set aside' })
        .option('max-per-day', {
          type: 'number',
          describe: 'new videos per day (UTC), of all watchers; further ones wait',
        })
        .option('probe', {
          type: 'boolean',
          default: false,
          describe: 'slurm, aml: probe a video here first, and set it aside if it is none',
        })
        .option('poll', { type: 'number', default: 5, describe: 'seconds between two looks' })
        .option('state', { type: 'string', describe: `claims and records; default ${STATE} in --out` })
        .option('once', { type: 'boolean', default: false, describe: 'end when what is there is done' })
        .option('status-port', {
          type: 'number',
          describe: 'serves a status page on this port of 127.0.0.1; 0: any free one',
        })
        .option('report-dir', { type: 'string', describe: 'local: a folder for a page about each video' }),
      'Options:',
    ),
} satisfies CommandSpec<unknown>;
const { whole, inRange } = optionValues(usage);

/** The state folder, beside the outputs. */
export const STATE = '.framescatter-watch';
const GIB = 2 ** 30;
/** Options that two jobs cannot share: a journal belongs to one video, and each would rewrite the files. */
const OF_ONE_JOB = /^--(work-?dir|report|trace|plan)(?:=|$)/i;
const HINT =
  'put it into AZURE_STORAGE_CONNECTION_STRING: BlobEndpoint=https://ACCOUNT.blob.core.windows.net;SharedAccessSignature=SAS';
/**
 * Example names, with which the arguments are checked before any video comes. The outputs have no suffix, as
 * it depends on these arguments.
 */
export const SAMPLES = {
  file: { input: '/in/film.mp4', output: '/out/film' },
  blob: {
    input: 'https://films.blob.core.windows.net/videos-in/film.mp4',
    output: 'https://films.blob.core.windows.net/videos-out/film',
  },
} as const;

/** Checks the arguments of a job, and returns the options that decide an output's name. */
type NamingCheck = (...words: Parameters<CheckJob>) => OutputNaming;

/**
 * Parses what follows `watch`. Pure.
 *
 * @throws {JobError} usage: when the arguments are not valid.
 */
export function parseWatch(
  argv: readonly string[],
  environment: NodeJS.ProcessEnv,
  checkJob: NamingCheck,
): WatchCommand | Text {
  const given = parseCommand(WATCH, argv);
  if (typeof given === 'string') return { kind: 'text', text: given };
  const { options: parsed, words: places, after: words } = given;
  const [input = ''] = places;
  const output = parsed.out ?? '';
  if (places.length !== 1 || input === '') throw usage('watch takes one PLACE to watch');
  if (output === '') throw usage('watch needs --out, the place for the outputs');
  const { run } = parsed;
  const command: Omit<WatchCommand, 'naming'> = {
    kind: 'watch',
    input,
    output,
    queue: parsed.queue,
    state: parsed.state,
    run,
    words,
    ranks: whole('ranks', parsed.ranks, 0, 10_000),
    jobs: whole('jobs', parsed.jobs, 1, 1000),
    tries: whole('tries', parsed.tries, 1, 100),
    pollSeconds: inRange('poll', parsed.poll, 0.1, 86_400),
    mostBytes: inRange('max-gib', parsed['max-gib'], 1e-6, 2 ** 20) * GIB,
    mostPerDay: whole('max-per-day', parsed['max-per-day'], 1, 1_000_000),
    probe: parsed.probe,
    once: parsed.once,
    statusPort: whole('status-port', parsed['status-port'], 0, 65_535),
    reportDir: parsed['report-dir'],
    ...loggingOf(WATCH.name, parsed),
  };
  if (run === 'local' && parsed.probe) throw usage('--probe is for slurm and aml: a local job probes first');
  if (run !== 'local' && command.ranks > 0) throw usage('--ranks is for --run local');
  if (run !== 'local' && command.reportDir !== undefined) throw usage('--report-dir is for --run local');
  if (isAddress(command.reportDir ?? '')) throw usage('--report-dir takes a folder on this machine');
  refuseSecrets([input, output, parsed.state ?? '', ...words], "the jobs' command lines would show", HINT);
  refuseOfOneJob(words);
  if (command.queue !== undefined) {
    parseQueue(command.queue);
    if (!isAddress(input)) throw usage('--queue tells of uploads: PLACE must be a container');
  }
  return { ...command, naming: checkWords(command, environment, checkJob) };
}

function checkWords(
  command: Omit<WatchCommand, 'naming'>,
  environment: NodeJS.ProcessEnv,
  namingCheck: NamingCheck,
): OutputNaming {
  const { run, words } = command;
  let naming: OutputNaming | undefined;
  const checkJob: CheckJob = (all) => {
    const { format, codec } = namingCheck(all);
    naming = { format, codec };
  };
  const { input } = isAddress(command.input) ? SAMPLES.blob : SAMPLES.file;
  const { output } = isAddress(command.output) ? SAMPLES.blob : SAMPLES.file;
  const job = [input, output, ...words];
  switch (run) {
    case 'local':
      checkJob(job);
      break;
    case 'slurm':
      slurmRequest(job, checkJob);
      break;
    case 'aml':
      amlSubmission(job, environment, checkJob);
      break;
  }
  if (naming === undefined) throw new JobError('internal', 'the options of the jobs were not checked');
  return naming;
}

/** Returns the request that arguments of `submit slurm` make. */
export function slurmRequest(words: readonly string[], checkJob: CheckJob = () => {}) {
  const command = parseSlurm(words, checkJob);
  if (command.kind !== 'submit' || command.dryRun)
    throw usage('watch submits: --help and --dry-run are not for it');
  return command.request;
}

/** Returns the submission that arguments of `submit aml` make. */
export function amlSubmission(
  words: readonly string[],
  environment: NodeJS.ProcessEnv,
  checkJob: CheckJob = () => {},
): Extract<AmlCommand, { readonly kind: 'submit' }> {
  const command = parseAml('submit', words, environment, checkJob);
  if (command.kind !== 'submit' || command.dryRun) {
    throw usage('watch submits: --help, --dry-run and --cancel are not for it');
  }
  if (command.name !== undefined || command.attempts > 1)
    throw usage('watch names the jobs and repeats them (--tries): --name and --attempts are not for it');
  return command;
}

function refuseOfOneJob(words: readonly string[]): void {
  for (const [at, word] of words.entries()) {
    const [, name, own] = /^--(table|output)(?:=(.*))?$/s.exec(word) ?? [];
    if (name === undefined || (name === 'table' && isEnding(own ?? words[at + 1] ?? ''))) continue;
    throw new JobError('usage', `--${name} names a file of one job, and watch runs one for each video`, {
      hint: "--table .parquet appends the ending to each output's name; --format parquet makes tables alone",
    });
  }
  const found = words.map((word) => OF_ONE_JOB.exec(word)?.[1]).find((name) => name !== undefined);
  if (found === undefined) return;
  const hint = /^work/i.test(found)
    ? "a video's journal lies beside its output, with --run aml in the workspace's storage account " +
      '(--journals), and its record in the state folder (docs/watch.md)'
    : '--report-dir DIR, before --, gives a page for each video (docs/watch.md)';
  throw new JobError('usage', `--${found} is for one job, and watch runs one for each video`, { hint });
}

function usage(message: string): JobError {
  return usageError(WATCH.name, message);
}
