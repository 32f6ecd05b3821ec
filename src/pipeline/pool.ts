/** A buffer borrowed from a pool. `release` returns it; the holder must not touch the data afterwards. */
export interface Lease {
  readonly data: Uint8Array;
  release(): void;
}

/** The lease of a rank that has no frames in a round. */
export const NO_FRAMES: Lease = { data: new Uint8Array(0), release: () => {} };

/**
 * A fixed number of equal buffers. The pipeline allocates nothing in steady state, and a stage that runs
 * ahead waits here until a later stage releases a buffer: that bounds the memory of a job. Each buffer is
 * allocated when first needed, so a short video needs fewer, and a rank without frames none.
 */
export class BufferPool {
  readonly #allocate: () => Uint8Array;
  readonly #free: Uint8Array[] = [];
  readonly #waiting: ((data: Uint8Array) => void)[] = [];
  #left: number;

  constructor(count: number, allocate: () => Uint8Array) {
    this.#left = count;
    this.#allocate = allocate;
  }

  /** Returns a free buffer, a new one, or the next that is released. Rejects if an allocation fails. */
  async acquire(): Promise<Lease> {
    const data =
      this.#free.pop() ??
      this.#another() ??
      (await new Promise<Uint8Array>((resolve) => this.#waiting.push(resolve)));
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

  #another(): Uint8Array | undefined {
    if (this.#left === 0) return undefined;
    const data = this.#allocate();
    this.#left -= 1;
    return data;
  }
}
