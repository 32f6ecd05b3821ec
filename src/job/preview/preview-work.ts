/** What a preview does on the root. */
import type { ComposedVariant } from './composed.js';
import type { GuardedEnds } from './guarded-ends.js';

/** A model's run through the pipeline. */
export interface PreviewPart {
  readonly model: ComposedVariant;
  readonly ends: GuardedEnds;
}

export interface PreviewWork extends AsyncDisposable {
  readonly parts: readonly PreviewPart[];
  /** Returns the finished, flushed file, and a text that says what is in it. */
  finish(): Promise<{ readonly path: string; readonly content: string }>;
}
