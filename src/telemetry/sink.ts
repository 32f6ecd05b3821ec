/** A measured value. */
export interface Metric {
  readonly name: string;
  readonly value: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Frames done by then. */
  readonly step: number;
  /** The stage or the rank that was measured. */
  readonly labels: Readonly<Record<string, string | number>>;
}

/**
 * A piece of work with its start and end, in milliseconds since 1970. The job is the parent of all other
 * spans.
 */
export interface Span {
  readonly name: string;
  readonly began: number;
  readonly ended: number;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly failed: boolean;
  /** 8 bytes in hexadecimal; the trace has 16. */
  readonly id: string;
  readonly parent: string | undefined;
  readonly trace: string;
}

/** Receives the metrics and spans of a job. None of them names a file, an address or a credential. */
export interface Sink {
  /** The sink's name in messages. */
  readonly name: string;
  /**
   * Delivers metrics and spans. Rejects with an error whose message may be shown; the caller may try again.
   */
  send(metrics: readonly Metric[], spans: readonly Span[], signal: AbortSignal): Promise<void>;
  /** Delivers what the sink has buffered. */
  flush?(): Promise<void>;
}
