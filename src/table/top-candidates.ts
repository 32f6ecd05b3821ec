/**
 * The best of many scored candidates, in memory for the best alone: a heap with the worst of them on top.
 * Of equal scores, the lower index is better.
 */
export interface TopCandidates {
  /** Considers a candidate. The score is a float32 and not NaN, and no index comes twice. */
  offer(score: number, index: number, label: number): void;
  /** The number of candidates since `clear`, kept or not. */
  readonly offered: number;
  /** Returns the kept candidates, best first. Ends the round: call `clear` before the next `offer`. */
  best(): readonly Candidate[];
  clear(): void;
}

export interface Candidate {
  readonly score: number;
  readonly index: number;
  /** The class. */
  readonly label: number;
}

/** Makes room for the best `most` candidates. */
export function topCandidates(most: number): TopCandidates {
  const scores = new Float32Array(most);
  const indices = new Uint32Array(most);
  const labels = new Int32Array(most);
  let kept = 0;
  let offered = 0;

  const worse = (score: number, index: number, at: number): boolean => {
    const other = scores[at] ?? 0;
    return score < other || (score === other && index > (indices[at] ?? 0));
  };
  const put = (at: number, score: number, index: number, label: number): void => {
    scores[at] = score;
    indices[at] = index;
    labels[at] = label;
  };
  const copy = (from: number, to: number): void =>
    put(to, scores[from] ?? 0, indices[from] ?? 0, labels[from] ?? 0);

  const rise = (score: number, index: number, label: number): void => {
    let at = kept;
    kept += 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!worse(score, index, parent)) break;
      copy(parent, at);
      at = parent;
    }
    put(at, score, index, label);
  };
  const replaceWorst = (score: number, index: number, label: number): void => {
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= kept) break;
      if (child + 1 < kept && worse(scores[child + 1] ?? 0, indices[child + 1] ?? 0, child)) child += 1;
      if (worse(score, index, child)) break;
      copy(child, at);
      at = child;
    }
    put(at, score, index, label);
  };

  return {
    get offered() {
      return offered;
    },
    offer(score, index, label) {
      offered += 1;
      if (kept < most) rise(score, index, label);
      else if (kept > 0 && !worse(score, index, 0)) replaceWorst(score, index, label);
    },
    best() {
      const all = Array.from({ length: kept }, (_, at) => ({
        score: scores[at] ?? 0,
        index: indices[at] ?? 0,
        label: labels[at] ?? 0,
      }));
      return all.sort((a, b) => b.score - a.score || a.index - b.index);
    },
    clear() {
      kept = 0;
      offered = 0;
    },
  };
}
