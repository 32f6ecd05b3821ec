/** A video that is this watcher's for now. */
export interface Claim {
  /** False where another watcher has taken it over since, thinking this one dead. */
  held(): Promise<boolean>;
  /** Gives it back. `settled` where nobody will need it again. */
  release(settled: boolean): Promise<void>;
}

/** `taken`: another watcher has it. `unsure`: another has, but may have died: look again soon. */
export type Refusal = 'taken' | 'unsure';

/** Claims on videos, of which any number of watchers hold each at most once. */
export interface Claims {
  /** Does not wait. */
  claim(key: string): Promise<Claim | Refusal>;
}
