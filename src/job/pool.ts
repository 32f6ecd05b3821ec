/** A buffer borrowed from a pool. `release` gives it back; the data must not be touched afterwards. */
export interface Lease {
  readonly data: Uint8Array;
  release(): void;
}

/**
 * A fixed number of equal buffers that go round: the pipeline allocates nothing in steady state, and a stage that runs
 * ahead waits here until a later stage gives a buffer back. That bounds the memory of a job.
 */
export class BufferPool {
  readonly #free: Uint8Array[];
  readonly #waiting: ((data: Uint8Array) => void)[] = [];

  constructor(count: number, allocate: () => Uint8Array) {
    this.#free = Array.from({ length: count }, allocate);
  }

  async acquire(): Promise<Lease> {
    const data =
      this.#free.pop() ?? (await new Promise<Uint8Array>((resolve) => this.#waiting.push(resolve)));
    let held = true;
    return {
      data,
      release: () => {
        if (!held) return;
        held = false;
        const next = this.#waiting.shift();
        if (next === undefined) this.#free.push(data);
        else next(data);
      },
    };
  }
}
