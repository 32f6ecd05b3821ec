/** What is compared, and where the results go. */
import type { LogFormat, Verbosity } from '../../report/log.js';

export interface CompareOptions {
  /** The reference, a path or an address. */
  readonly reference: string;
  readonly other: string;
  /** The video whose motion tells what should move in both; undefined: the reference. */
  readonly source: string | undefined;
  /** A file for the report: a page or JSON. */
  readonly report: string | undefined;
  /** Prints JSON in place of text. */
  readonly json: boolean;
  readonly logFormat: LogFormat;
  readonly verbosity: Verbosity;
}
