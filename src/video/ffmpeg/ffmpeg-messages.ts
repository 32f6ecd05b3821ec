/** Reads the messages of ffmpeg and ffprobe on standard error, and makes errors of their failures. */
import type { Readable } from 'node:stream';
import { JobError, messageOf } from '../../system/errors.js';

/** The error of an ffmpeg or ffprobe that failed. */
export class FfmpegFailure extends JobError {
  /** Undefined if it could not be started or was killed by a signal. */
  readonly exitCode: number | undefined;
  /** The first error that it reported, if any. Later ones often follow from it. */
  readonly first: string | undefined;
  /** The messages that `message` quotes. */
  readonly messages: readonly string[];

  constructor(
    message: string,
    options: {
      readonly exitCode?: number | undefined;
      readonly first?: string | undefined;
      readonly messages?: readonly string[];
      readonly hint?: string;
      readonly cause: unknown;
    },
  ) {
    super('ffmpeg', message, options);
    this.exitCode = options.exitCode;
    this.first = options.first;
    this.messages = options.messages ?? [];
  }
}

const INSTALL_HINT =
  'Install FFmpeg 5 or newer (Debian, Ubuntu: apt-get install ffmpeg), or set FFMPEG_PATH and FFPROBE_PATH to its programs.';
/** Complaints of strict demuxers and decoders about streams that decode well. */
const FORGIVEN =
  /mmco: unref short failure|co located POCs unavailable|number of reference frames|read_timestamp failed/;
/**
 * The marks before each message (`-v level+...`): the components that speak, if any, and the level. The rest
 * of the line may come from an untrusted file.
 */
const MARKS = /^((?:\[[^\]]* @ 0x[0-9a-f]+\] ?)*)\[(\w+)\] /;
/** Messages that encoder libraries print themselves, without ffmpeg's marks. */
const LIBRARY_ERROR = /^(?:Svt|x26[45]) ?\[error\]:/;
/** Messages that FFmpeg 6 and later add when another component has failed and said why. */
const FOLLOWS =
  /Task finished with error code|Terminating thread with return code|Nothing was written into output file|Error sending frames to consumers|Could not open encoder before EOF|Error muxing a packet$|Error opening (?:in|out)put files:|Error initializing output stream \d+:\d+ --$/;
const KEPT_MESSAGES = 64;
const SHOWN_MESSAGES = 3;
const LONGEST_MESSAGE = 1024;

/**
 * Calls `onLine` with each line of text, in bounded memory: of a line that is longer, with its beginning
 * only.
 */
export function eachLine(stream: Readable | null, onLine: (line: string) => void): void {
  let rest = '';
  let told = false; // true if the beginning of the present line was passed on
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

/** Collects the last lines of a program's stderr, in bounded memory. */
export function messageTail(onMessage?: (line: string) => void) {
  const kept: string[] = [];
  return {
    push(this: void, line: string): void {
      const text = line.trim().slice(0, LONGEST_MESSAGE);
      if (text === '') return;
      if (!/^(info|verbose|debug)$/.test(levelOf(text))) kept.push(text);
      if (kept.length > KEPT_MESSAGES) kept.shift();
      onMessage?.(text);
    },
    lines: (): readonly string[] => [...kept],
  };
}

/** Returns the error for a program that failed, with its most telling messages. */
export function runError(
  program: string,
  task: string,
  error: Error,
  messages: readonly string[],
  exitCode?: number,
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
  const quoted = tellingMessages(messages);
  const message = `${program} ${happened} while ${task}${quoted.length === 0 ? '' : `: ${quoted.join('; ')}`}`;
  return new FfmpegFailure(message, {
    exitCode,
    first: firstError(messages),
    messages: quoted,
    cause: error,
  });
}

/**
 * Returns the first message and the last two, without the addresses that ffmpeg prints. Errors come before
 * other messages, and errors that only follow from another are left out. The first is mostly the cause.
 */
function tellingMessages(messages: readonly string[]): readonly string[] {
  const errors = messages.filter((line) => isError(line) || LIBRARY_ERROR.test(line));
  const causes = errors.filter((line) => !FOLLOWS.test(line));
  const telling = [causes, errors, messages].find((lines) => lines.length > 0) ?? [];
  const texts = [...new Set(telling.map(plainMessage))];
  return texts.toSpliced(1, Math.max(0, texts.length - SHOWN_MESSAGES));
}

/** Returns the first error that matters. */
export function firstError(messages: readonly string[]): string | undefined {
  const error = messages.find((line) => isError(line) && !isForgiven(line));
  return error === undefined ? undefined : plainMessage(error);
}

/** Returns whether a message is an error. */
export function isError(line: string): boolean {
  return /^(error|fatal|panic)$/.test(levelOf(line));
}

/** Returns whether a message is about an error that ends ffmpeg. */
export function isFatal(line: string): boolean {
  return /^(fatal|panic)$/.test(levelOf(line));
}

/** Returns the level of a message by ffmpeg's name; empty if it has none. */
function levelOf(line: string): string {
  return MARKS.exec(line)?.[2] ?? '';
}

/** Returns whether an error does no harm. */
export function isForgiven(line: string): boolean {
  return FORGIVEN.test(line);
}

/**
 * Returns a message without ffmpeg's memory addresses, level marks and lists: `[h264 @ 0x55d] [error] x`
 * becomes `h264: x`.
 */
export function plainMessage(line: string): string {
  return line
    .replace(MARKS, '$1')
    .replace(/\[([^\]@]+?) @ 0x[0-9a-f]+\]/g, '$1:')
    .replace(/(Format not on whitelist) '.*/, '$1'); // the whole list
}
