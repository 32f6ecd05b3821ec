import { redact } from '../system/secret.js';
import { printable, printableJson } from './printable.js';

/** The amount of output: errors only; the course of the job; or every decision too. */
export type Verbosity = 'quiet' | 'normal' | 'verbose';

export type LogFormat = 'text' | 'json';

/**
 * The facts of a log line: plain values, never file contents or secrets. Text shows only `stack`, below the
 * message; it is the only value with several lines.
 */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** How progress is shown: a bar that is drawn over and over, a line now and then, or not at all. */
export type ProgressForm = 'bar' | 'lines' | 'none';

/** When a job shows progress: as a bar where standard error is a terminal, as a bar in any case, or never. */
export const PROGRESS_CHOICES = ['auto', 'always', 'never'] as const;
export type ProgressChoice = (typeof PROGRESS_CHOICES)[number];

/** Returns how progress is shown. A log of JSON has lines, never a bar. */
export function progressForm(
  choice: ProgressChoice,
  format: LogFormat,
  verbosity: Verbosity,
  isTerminal: boolean,
): ProgressForm {
  if (choice === 'never' || verbosity === 'quiet') return 'none';
  return format === 'text' && (choice === 'always' || isTerminal) ? 'bar' : 'lines';
}

/** Writes to the user on standard error, one line per message. */
export interface Log {
  readonly format: LogFormat;
  readonly verbosity: Verbosity;
  readonly progress: ProgressForm;
  /**
   * Draws a line that stays below all messages, where progress is a bar. Undefined leaves the last one where
   * it is, and later messages follow it.
   */
  status(line: string | undefined): void;
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  detail(message: string, fields?: LogFields): void;
}

/** Moves to the beginning of a terminal's line, and clears it (ECMA-48: carriage return, erase in line). */
const CLEAR = '\r\u001b[K';

/**
 * Creates a log. Text lines begin with `framescatter:`; JSON lines have `time`, `level`, `message` and the
 * fields. Every message is one line without control characters.
 */
export function createLog(
  format: LogFormat,
  verbosity: Verbosity,
  write: (line: string) => void = (line) => process.stderr.write(line),
  progress: ProgressForm = verbosity === 'quiet' ? 'none' : 'lines',
): Log {
  let shown: string | undefined;

  function say(level: string, message: string, fields: LogFields): void {
    if (shown !== undefined) write(CLEAR);
    if (format === 'json') {
      write(`${redact(printableJson({ time: new Date().toISOString(), level, message, ...fields }))}\n`);
    } else {
      const prefix = level === 'error' || level === 'warning' ? `framescatter: ${level}: ` : 'framescatter: ';
      const stack = typeof fields.stack === 'string' ? fields.stack.split('\n') : [];
      const lines = [`${prefix}${message}`, ...stack];
      // Redact first: escapes would hide the start of a secret.
      write(lines.map((line) => `${printable(redact(line))}\n`).join(''));
    }
    if (shown !== undefined) write(shown);
  }
  return {
    ...{ format, verbosity, progress },
    status(line) {
      if (progress !== 'bar' || (line === undefined && shown === undefined)) return;
      write(line === undefined ? '\n' : `${CLEAR}${printable(line)}`);
      shown = line && printable(line);
    },
    error: (message, fields = {}) => say('error', message, fields),
    warn(message, fields = {}) {
      if (verbosity !== 'quiet') say('warning', message, fields);
    },
    info(message, fields = {}) {
      if (verbosity !== 'quiet') say('info', message, fields);
    },
    detail(message, fields = {}) {
      if (verbosity === 'verbose') say('detail', message, fields);
    },
  };
}
