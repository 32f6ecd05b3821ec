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

/** Writes to the user on standard error, one line per message. */
export interface Log {
  readonly format: LogFormat;
  readonly verbosity: Verbosity;
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  detail(message: string, fields?: LogFields): void;
}

/**
 * Creates a log. Text lines begin with `framescatter:`; JSON lines have `time`, `level`, `message` and the
 * fields. Every message is one line without control characters.
 */
export function createLog(
  format: LogFormat,
  verbosity: Verbosity,
  write: (line: string) => void = (line) => process.stderr.write(line),
): Log {
  function say(level: string, message: string, fields: LogFields): void {
    if (format === 'json') {
      write(`${redact(printableJson({ time: new Date().toISOString(), level, message, ...fields }))}\n`);
    } else {
      const prefix = level === 'error' || level === 'warning' ? `framescatter: ${level}: ` : 'framescatter: ';
      const stack = typeof fields.stack === 'string' ? fields.stack.split('\n') : [];
      const lines = [`${prefix}${message}`, ...stack];
      // Redact first: escapes would hide the start of a secret.
      write(lines.map((line) => `${printable(redact(line))}\n`).join(''));
    }
  }
  return {
    format,
    verbosity,
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
