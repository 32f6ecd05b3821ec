/** What ffmpeg and ffprobe say on standard error, and what it means that they did not end well. */
import type { Readable } from 'node:stream';
import { JobError, messageOf } from '../../system/errors.js';

/** ffmpeg or ffprobe did not end well. */
export class FfmpegFailure extends JobError {
  /** Undefined where it could not be started or was killed by a signal. */
  readonly exitCode: number | undefined;
  /** The first error that it told of, if any: those that follow often only follow from it. */
  readonly first: string | undefined;

  constructor(
    message: string,
    options: {
      readonly exitCode?: number;
      readonly first?: string | undefined;
      readonly hint?: string;
      readonly cause: unknown;
    },
  ) {
    super('ffmpeg', message, options);
    this.exitCode = options.exitCode;
    this.first = options.first;
  }
}

const INSTALL_HINT =
  'Install FFmpeg 5 or newer (Debian, Ubuntu: apt-get install ffmpeg), or set FFMPEG_PATH and FFPROBE_PATH to its programs.';
/** Complaints of strict demuxers and decoders about streams that decode well. */
const FORGIVEN =
  /mmco: unref short failure|co located POCs unavailable|number of reference frames|read_timestamp failed/;
/** What ffmpeg puts before each message (`-v level+...`): the parts of it that speak, if any, and the level. What follows is anybody's text. */
const MARKS = /^((?:\[[^\]]* @ 0x[0-9a-f]+\] ?)*)\[(\w+)\] /;
/** What the libraries of encoders print by themselves, without ffmpeg's marks. */
const LIBRARY_ERROR = /^(?:Svt|x26[45]) ?\[error\]:/;
/** What FFmpeg 6 and later add when another part of it has failed and said why. */
const FOLLOWS =
  /Task finished with error code|Terminating thread with return code|Nothing was written into output file|Error sending frames to consumers|Could not open encoder before EOF|Error muxing a packet$|Error opening (?:in|out)put files:|Error initializing output stream \d+:\d+ --$/;
const KEPT_MESSAGES = 64;
const TOLD_MESSAGES = 3;
const LONGEST_MESSAGE = 1024;

/** Calls `onLine` with each line of text, in bounded memory: of a long line that comes bit by bit, with its beginning alone. */
export function eachLine(stream: Readable | null, onLine: (line: string) => void): void {
  let rest = '';
  let told = false; // the beginning of what is still coming
  stream?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split(/[\r\n]+/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!told) onLine(line);
      told = false;
    }
    if (rest.length > LONGEST_MESSAGE) {
      if (!told) onLine(rest);
      told = true;
      rest = '';
    }
  });
  stream?.on('end', () => {
    if (!told) onLine(rest);
  });
}

/** The last lines of a program's stderr, in bounded memory. */
export function messageTail(onMessage?: (line: string) => void) {
  const kept: string[] = [];
  return {
    push(this: void, line: string): void {
      const text = line.trim().slice(0, LONGEST_MESSAGE);
      if (text === '') return;
      if (!/^(info|verbose)$/.test(levelOf(text))) kept.push(text);
      if (kept.length > KEPT_MESSAGES) kept.shift();
      onMessage?.(text);
    },
    lines: (): readonly string[] => [...kept],
  };
}

/** A program's end, which was not well, with its last words. */
export function runError(
  program: string,
  task: string,
  error: Error,
  messages: readonly string[],
): FfmpegFailure {
  const systemCode = 'code' in error ? error.code : undefined;
  if (systemCode === 'ENOENT' || systemCode === 'EACCES') {
    const message = `${program} cannot be started (${messageOf(error)})`;
    return new FfmpegFailure(message, { hint: INSTALL_HINT, cause: error });
  }
  // fluent-ffmpeg appends lines of stderr of its own choosing to the first.
  const [happened = ''] = messageOf(error)
    .replace(/^ffmpeg /, '')
    .split(/[\n:]/, 1);
  const exitCode = /exited with code (\d+)/.exec(happened)?.[1];
  const words = tellingWords(messages);
  const message = `${program} ${happened} while ${task}${words === '' ? '' : `: ${words}`}`;
  return new FfmpegFailure(message, {
    ...(exitCode === undefined ? {} : { exitCode: Number(exitCode) }),
    first: firstError(messages),
    cause: error,
  });
}

/**
 * The first message and the last two, without the addresses ffmpeg prints: those of errors where there are any, and not
 * those that only say that something before them failed. The first is mostly the cause.
 */
function tellingWords(messages: readonly string[]): string {
  const errors = messages.filter((line) => isError(line) || LIBRARY_ERROR.test(line));
  const causes = errors.filter((line) => !FOLLOWS.test(line));
  const telling = [causes, errors, messages].find((lines) => lines.length > 0) ?? [];
  const texts = [...new Set(telling.map(plainMessage))];
  return texts.toSpliced(1, Math.max(0, texts.length - TOLD_MESSAGES)).join('; ');
}

/** The first of the messages that tells of an error which matters. */
export function firstError(messages: readonly string[]): string | undefined {
  const error = messages.find((line) => isError(line) && !isForgiven(line));
  return error === undefined ? undefined : plainMessage(error);
}

/** Whether a message tells of an error, not of something to note. */
export function isError(line: string): boolean {
  return /^(error|fatal|panic)$/.test(levelOf(line));
}

/** Whether a message tells of what ends ffmpeg. */
export function isFatal(line: string): boolean {
  return /^(fatal|panic)$/.test(levelOf(line));
}

/** The level that a message is of, in ffmpeg's name; empty where it has none. */
function levelOf(line: string): string {
  return MARKS.exec(line)?.[2] ?? '';
}

/** Whether what an error tells of does no harm. */
export function isForgiven(line: string): boolean {
  return FORGIVEN.test(line);
}

/** A message without ffmpeg's memory addresses, level marks and lists: `[h264 @ 0x55d] [error] x` becomes `h264: x`. */
export function plainMessage(line: string): string {
  return line
    .replace(MARKS, '$1')
    .replace(/\[([^\]@]+?) @ 0x[0-9a-f]+\]/g, '$1:')
    .replace(/(Format not on whitelist) '.*/, '$1'); // the whole list
}
