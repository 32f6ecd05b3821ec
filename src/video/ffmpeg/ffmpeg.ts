/** Runs ffmpeg and ffprobe. The only importer of fluent-ffmpeg and the only spawner of either program. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import fluent from 'fluent-ffmpeg';
import { childEnvironment, killOnExit } from '../../system/children.js';
import { JobError } from '../../system/errors.js';
import { eachLine, messageTail, runError } from './ffmpeg-messages.js';
import { READABLE_FORMATS } from './readable-formats.js';
import { sequenceInput } from './sequence-inputs.js';

/** The source of an input. A file name is always data: it reaches ffmpeg as `file:NAME`. */
export type FfmpegSource = { readonly file: string } | { readonly lavfi: string } | 'stdin';

/** The target of an output. `null` discards it (`-f null`). */
export type FfmpegTarget = { readonly file: string } | 'stdout' | 'null';

/** One run of ffmpeg. Options are ffmpeg's own, one array entry per argument. */
export interface FfmpegCommand {
  /** The task of the run, as error messages name it: `decoding "in.mp4"`. */
  readonly task: string;
  readonly inputs: readonly { readonly from: FfmpegSource; readonly options?: readonly string[] }[];
  /** The least level of messages that `onMessage` gets; warnings and errors by default. */
  readonly level?: 'verbose' | 'debug';
  /**
   * The outputs. At most one is `stdout`, which is discarded unless a descriptor is given. Existing files are
   * overwritten.
   */
  readonly outputs: readonly { readonly to: FfmpegTarget; readonly options?: readonly string[] }[];
}

/** A running ffmpeg. Disposing of it kills it and waits until it has ended. */
export interface FfmpegProcess extends AsyncDisposable {
  /**
   * ffmpeg's standard input; undefined unless an input is `'stdin'` and no descriptor was given for it. The
   * caller handles its errors (EPIPE when ffmpeg has died).
   */
  readonly stdin: Writable | undefined;
  /**
   * Resolves with `messages()` when ffmpeg has succeeded; rejects with a `FfmpegFailure` when it has not.
   * Never counts as an unhandled rejection.
   */
  readonly done: Promise<readonly string[]>;
  /**
   * Returns the last 64 warnings and errors of stderr, each with its level in brackets, after the name of the
   * component, if any.
   */
  messages(): readonly string[];
  /** Sends SIGKILL. Idempotent. */
  kill(): void;
}

/** Options of a run. */
export interface FfmpegOptions {
  /**
   * File descriptors for ffmpeg's standard input and output, if the command uses them. They are closed here.
   * Without one for its input, `FfmpegProcess.stdin` is a pipe to it.
   */
  readonly stdin?: number;
  readonly stdout?: number;
  /** Called with each line of stderr. */
  readonly onMessage?: (line: string) => void;
  /** Kills ffmpeg when aborted. */
  readonly signal?: AbortSignal;
}

/**
 * The protocols and formats that a file may make ffmpeg open: no network, and no format that opens other
 * files.
 */
const PROTOCOLS = ['-protocol_whitelist', 'file,crypto,data'] as const;
const FORMATS = ['-format_whitelist', READABLE_FORMATS.join()] as const;
const MOST_JSON_BYTES = 64 * 2 ** 20;

/** The parts of fluent-ffmpeg that its types leave out. Tested with 2.1.3, its last version. */
interface FluentInternals {
  ffmpegProc?: ChildProcess;
  _checkCapabilities(callback: (error: null) => void): void;
  availableEncoders(callback: (error: null, encoders: object) => void): void;
  _getFfmpegPath(callback: (error: null, path: string) => void): void;
  _spawnFfmpeg(args: string[], options: SpawnOptions, onProcess: OnProcess, onEnd: OnEnd): void;
}
interface LineRing {
  get(): string;
}
type OnProcess = (child: ChildProcess, stdout: LineRing, stderr: LineRing) => void;
type OnEnd = (error: Error | null, stdout?: LineRing, stderr?: LineRing) => void;

/** An option of `_spawnFfmpeg` besides those of `spawn`. */
const NOTHING_CAPTURED = { captureStdout: false };
const NO_LINES: LineRing = { get: () => '' };

/**
 * Starts ffmpeg; resolves when it runs. The caller ends standard input.
 *
 * @throws {JobError} ffmpeg: when it cannot be started, with a hint if the program is missing.
 */
export async function startFfmpeg(
  command: FfmpegCommand,
  options: FfmpegOptions = {},
): Promise<FfmpegProcess> {
  try {
    return await run(command, options);
  } finally {
    for (const descriptor of [options.stdin, options.stdout]) {
      if (descriptor !== undefined) closeSync(descriptor);
    }
  }
}

function run(command: FfmpegCommand, options: FfmpegOptions): Promise<FfmpegProcess> {
  const tail = messageTail(options.onMessage);
  const builder = build(command, options, tail.push);
  const done = new Promise<readonly string[]>((resolve, reject) => {
    builder.on('end', () => resolve(tail.lines()));
    builder.on('error', (error: Error) => {
      reject(
        options.signal?.aborted
          ? new JobError('ffmpeg', `ffmpeg was stopped while ${command.task}`, {
              cause: options.signal.reason,
            })
          : runError('ffmpeg', command.task, error, tail.lines(), exitCodeIn(error)),
      );
    });
  });
  return new Promise((resolve, reject) => {
    done.catch(reject);
    builder.on('start', () => {
      const child = internals(builder).ffmpegProc;
      if (child?.pid === undefined) return; // Not spawned: 'error' says why.
      const kill = () => void child.kill('SIGKILL');
      options.signal?.addEventListener('abort', kill, { once: true });
      if (options.signal?.aborted) kill();
      const forget = () => options.signal?.removeEventListener('abort', kill);
      done.then(forget, forget);
      resolve({
        ...{ stdin: child.stdin ?? undefined, done, messages: tail.lines, kill },
        async [Symbol.asyncDispose]() {
          kill();
          await done.catch(() => undefined);
        },
      });
    });
    builder.run();
  });
}

/**
 * Runs ffmpeg to its end, without pipes, and returns its last messages. Throws as `startFfmpeg` and its
 * `done`.
 */
export async function runFfmpeg(
  command: FfmpegCommand,
  options: Omit<FfmpegOptions, 'stdin' | 'stdout'> = {},
): Promise<readonly string[]> {
  const run = await startFfmpeg(command, options);
  return run.done;
}

/**
 * Runs ffprobe with `args` on a file and returns its output, parsed as JSON. `signal` ends it.
 *
 * @throws {JobError} ffmpeg: when ffprobe fails, with its messages.
 * @throws {JobError} limit: when it writes more than 64 MiB.
 */
export async function runFfprobe(
  file: string,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<unknown> {
  const probe = startFfprobe(file, ['-of', 'json', ...args]);
  signal?.addEventListener('abort', probe.kill, { once: true });
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of probe.stdout) {
    bytes += chunk.length;
    if (bytes > MOST_JSON_BYTES) {
      probe.kill();
      throw new JobError('limit', `ffprobe wrote more than ${MOST_JSON_BYTES} bytes about "${file}"`);
    }
    chunks.push(chunk);
  }
  await probe.done;
  return JSON.parse(Buffer.concat(chunks).toString());
}

/**
 * Runs ffprobe with `args` (including an `-of` of one line per record, e.g. `csv=p=0`) on a file, and yields
 * its output line by line, in bounded memory. Leaving the loop early ends ffprobe. `onMessage` is called with
 * each warning and error, the last of them before the end.
 *
 * @throws {JobError} ffmpeg: when ffprobe fails, with its messages.
 */
export async function* ffprobeLines(
  file: string,
  args: readonly string[],
  onMessage?: (line: string) => void,
): AsyncGenerator<string, void, undefined> {
  const probe = startFfprobe(file, args, onMessage);
  try {
    yield* createInterface({ input: probe.stdout, crlfDelay: Number.POSITIVE_INFINITY });
    await probe.done;
  } finally {
    probe.kill();
  }
}

function build(command: FfmpegCommand, options: FfmpegOptions, onMessage: (line: string) => void) {
  const builder = fluent();
  const wantsStdin = command.inputs.some((input) => input.from === 'stdin');
  const stdin = wantsStdin ? (options.stdin ?? 'pipe') : 'ignore';
  tame(builder, [stdin, options.stdout ?? 'ignore', 'pipe'], onMessage);
  for (const { from, options = [] } of command.inputs) {
    // At least two arguments: fluent-ffmpeg splits a single option at a space.
    const level = `repeat+level+${command.level ?? 'warning'}`;
    const common = ['-nostdin', '-hide_banner', '-nostats', '-v', level];
    if (from === 'stdin') builder.input('pipe:0').inputOptions(...common, ...options);
    else if ('file' in from) {
      // With an explicit format, ffmpeg does not guess one from the file's content.
      const sequence = sequenceInput(from.file);
      const limits =
        sequence !== undefined || options.includes('-f') ? PROTOCOLS : [...PROTOCOLS, ...FORMATS];
      builder
        .input(sequence?.url ?? fileUrl(from.file))
        .inputOptions(...common, ...limits, ...(sequence?.options ?? []), ...options);
    } else builder.input(from.lavfi).inputOptions(...common, ...options, '-f', 'lavfi');
  }
  for (const { to, options = [] } of command.outputs) {
    if (to === 'stdout') {
      builder.output('pipe:1').outputOptions('-y', ...options);
    } else if (to === 'null') builder.output('-').outputOptions('-y', ...options, '-f', 'null');
    else builder.output(fileUrl(to.file)).outputOptions('-y', '-nostdin', ...options);
  }
  return builder;
}

/**
 * Works around fluent-ffmpeg's defects that matter here. It probes for formats and encoders before each
 * command (and misreads FFmpeg 7's list of formats). It ignores a wrong FFMPEG_PATH. If the program cannot be
 * started, it throws where no one can catch. It keeps a line of stderr of any length, and takes ffmpeg's
 * output through a stream only. It leaves ffmpeg in the terminal's process group, where Ctrl-C would end it
 * before us.
 */
function tame(
  builder: fluent.FfmpegCommand,
  stdio: NonNullable<SpawnOptions['stdio']>,
  onMessage: (line: string) => void,
): void {
  const inner = internals(builder);
  const spawnFfmpeg = inner._spawnFfmpeg;
  inner._checkCapabilities = (callback) => callback(null);
  inner.availableEncoders = (callback) => callback(null, {});
  inner._getFfmpegPath = (callback) => callback(null, programPath('FFMPEG_PATH', 'ffmpeg'));
  inner._spawnFfmpeg = (args, options, onProcess, onEnd) => {
    const spawnOptions: SpawnOptions = {
      ...options,
      ...NOTHING_CAPTURED,
      env: childEnvironment(),
      detached: true,
      stdio,
    };
    const end: OnEnd = (error, out = NO_LINES, err = NO_LINES) => onEnd(error, out, err);
    try {
      spawnFfmpeg.call(
        builder,
        args,
        spawnOptions,
        (child, out, err) => {
          killOnExit(child);
          child.stderr?.removeAllListeners('data');
          eachLine(child.stderr, onMessage);
          onProcess(child, out, err);
        },
        end,
      );
    } catch (error) {
      end(error instanceof Error ? error : new Error(String(error)));
    }
  };
}

/**
 * Returns the exit code of ffmpeg, which fluent-ffmpeg gives only in its message; undefined if there is none.
 */
function exitCodeIn(error: Error): number | undefined {
  const code = /^ffmpeg exited with code (\d+)/.exec(error.message)?.[1];
  return code === undefined ? undefined : Number(code);
}

function internals(builder: fluent.FfmpegCommand): FluentInternals {
  return builder as unknown as FluentInternals;
}

function startFfprobe(file: string, args: readonly string[], onMessage?: (line: string) => void) {
  const sequence = sequenceInput(file);
  const input = [
    ...(sequence === undefined ? [...PROTOCOLS, ...FORMATS] : [...PROTOCOLS, ...sequence.options]),
    ...['-i', sequence?.url ?? fileUrl(file)],
  ];
  const all = ['-hide_banner', '-v', 'level+warning', ...args, ...input];
  return start('ffprobe', all, `reading "${file}"`, onMessage);
}

/**
 * Returns what ffmpeg prints on stdout.
 *
 * @throws {JobError} ffmpeg: when ffmpeg cannot be run.
 */
export async function askFfmpeg(args: readonly string[]): Promise<string> {
  const run = start('ffmpeg', ['-hide_banner', ...args], 'answering about itself');
  const chunks: Buffer[] = [];
  for await (const chunk of run.stdout) chunks.push(chunk);
  await run.done;
  return Buffer.concat(chunks).toString();
}

/** Starts a program without fluent-ffmpeg, which cannot stream ffprobe's output. */
function start(
  program: 'ffmpeg' | 'ffprobe',
  args: readonly string[],
  task: string,
  onMessage?: (line: string) => void,
) {
  const path = programPath(program === 'ffmpeg' ? 'FFMPEG_PATH' : 'FFPROBE_PATH', program);
  const child = spawn(path, args, {
    detached: true,
    env: childEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  killOnExit(child);
  const tail = messageTail(onMessage);
  eachLine(child.stderr, tail.push);
  const done = new Promise<void>((resolve, reject) => {
    const fail = (error: Error, exitCode?: number) =>
      reject(runError(program, task, error, tail.lines(), exitCode));
    child.on('error', (error) => fail(error));
    child.on('close', (code, signal) => {
      if (code === 0) resolve();
      else if (code === null) fail(new Error(`was killed with signal ${signal}`));
      else fail(new Error(`exited with code ${code}`), code);
    });
  });
  done.catch(() => undefined);
  return { stdout: child.stdout, done, kill: () => void child.kill('SIGKILL') };
}

/** Returns a file name as an ffmpeg URL without special characters. */
function fileUrl(path: string): string {
  return `file:${path}`;
}

function programPath(variable: 'FFMPEG_PATH' | 'FFPROBE_PATH', program: string): string {
  return process.env[variable] || program;
}
