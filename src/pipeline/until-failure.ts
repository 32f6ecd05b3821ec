/** Runs steps until one fails. */
export interface UntilFailure {
  /** Runs a step; returns undefined, and runs none, once one has failed. It never throws. */
  run<T>(step: () => Promise<T>): Promise<T | undefined>;
  /** Returns what the first failed step threw, if any. */
  failure(): { readonly error: unknown } | undefined;
}

/** Keeps the first failure for later: inside the pipeline, where all ranks must reach its end together. */
export function untilFailure(): UntilFailure {
  let failure: { readonly error: unknown } | undefined;
  return {
    async run(step) {
      if (failure !== undefined) return undefined;
      try {
        return await step();
      } catch (error) {
        failure = { error };
        return undefined;
      }
    },
    failure: () => failure,
  };
}
