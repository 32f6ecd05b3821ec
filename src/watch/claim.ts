/** This watcher's claim on a video. */
export interface Claim {
  /** Returns false if another watcher has taken the claim over, assuming that this one is dead. */
  held(): Promise<boolean>;
  /** Releases the claim. `settled` means that no watcher needs it again. */
  release(settled: boolean): Promise<void>;
}

/** `taken`: another watcher holds it. `unsure`: another holds it but may have died, so try again soon. */
export type ClaimRefusal = 'taken' | 'unsure';

/** Claims on videos. Of any number of watchers, at most one holds the claim on a video. */
export interface Claims {
  /** Claims a video, without waiting. */
  claim(key: string): Promise<Claim | ClaimRefusal>;
}
