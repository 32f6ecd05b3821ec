import { redact } from '../system/secret.js';
import { printable, printableJson } from './printable.js';

/** How much is said: only errors; the course of the job; or every decision too. */
export type Verbosity = 'quiet' | 'normal' | 'verbose';

export type LogFormat = 'text' | 'json';

/**
 * Facts that go with a line: plain values, never file contents or secrets. Text shows only `stack`, below the message: the
 * one value whose lines stay lines.
 */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Says things to the user on standard error, a line each. */
export interface Log {
  readonly format: LogFormat;
  readonly verbosity: Verbosity;
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  detail(message: string, fields?: LogFields): void;
}

/**
 * Text lines are prefixed `framescatter:`; JSON lines carry `time`, `level`, `message` and the fields. Whatever a message holds,
 * it is one line, without control characters.
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
      // Escapes would hide where a secret begins.
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
