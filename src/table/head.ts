/**
 * How a kind of network writes its boxes: which numbers are the score, the class and the corners of candidate
 * number `index`. One class a candidate; the lowest of equals.
 */
import type { Corners } from './geometry.js';
import type { Floats } from './numbers.js';

/** Takes a candidate. Its score may be NaN or below the threshold. */
export type Offer = (index: number, score: number, label: number) => void;

export interface Head {
  /** The number of candidates. */
  readonly candidates: number;
  /** The number of classes, if the shapes say it. */
  readonly classes: number | undefined;
  /** Offers every candidate of a frame, by rising index. Scores are float32. */
  scan(tensors: readonly Floats[], offer: Offer): void;
  /** Gives the corners of a candidate in pixels of the model's input. */
  corners(tensors: readonly Floats[], index: number, into: Corners): void;
}
