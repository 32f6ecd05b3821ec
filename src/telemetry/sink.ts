/** A number at a time. */
export interface Metric {
  readonly name: string;
  readonly value: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Frames done by then. */
  readonly step: number;
  /** What tells one of the name from another: the stage, the rank. */
  readonly labels: Readonly<Record<string, string | number>>;
}

/** A piece of work with its beginning and end, in milliseconds since 1970. The job is the parent of all others. */
export interface Span {
  readonly name: string;
  readonly began: number;
  readonly ended: number;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly failed: boolean;
  /** Hexadecimal: 8 bytes, and 16 of the trace. */
  readonly id: string;
  readonly parent: string | undefined;
  readonly trace: string;
}

/** Takes what a job tells of itself. Nothing of it names a file, a place, or what gives access to one. */
export interface Sink {
  /** For messages. */
  readonly name: string;
  /** Rejects where it could not be delivered, with an error whose message may be shown; it may come again. */
  send(metrics: readonly Metric[], spans: readonly Span[], signal: AbortSignal): Promise<void>;
  /** Delivers what the sink itself keeps. */
  flush?(): Promise<void>;
}
