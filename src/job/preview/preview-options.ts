/** What a preview is asked for. */
import type { ModelSize } from '../../model/load/catalogue.js';
import type { PictureFormat } from '../../pictures/formats.js';
import type { RunOptions } from '../context/options.js';

/** How a comparison puts source and result together. */
export const LAYOUTS = ['side-by-side', 'split-screen'] as const;
export type ComparisonLayout = (typeof LAYOUTS)[number];

/** A sheet of frames through models, or a few seconds of video beside its source. */
export type PreviewForm =
  | { readonly kind: 'sheet'; readonly format: PictureFormat }
  | { readonly kind: 'comparison'; readonly seconds: number; readonly layout: ComparisonLayout };

/** The models of a preview, as they are asked for. */
export interface AskedModels {
  /** Values of --model of a job; `all` stands for every style. */
  readonly models: readonly string[];
  /** Sizes of styles; empty: the default size. */
  readonly sizes: readonly ModelSize[];
  /** Empty: the models as they are. */
  readonly strengths: readonly number[];
}

/** A preview, with the options of a job that it would be made with. */
export interface PreviewOptions extends RunOptions {
  readonly input: string;
  readonly output: string;
  readonly form: PreviewForm;
  readonly asked: AskedModels;
  /** Seconds from the start of the video; undefined: spread over it. */
  readonly at: readonly number[] | undefined;
}

/** In place of models: every style that comes with the program. */
export const ALL_STYLES = 'all';
/** The most frames of a sheet, and models of each. */
export const MOST_TIMES = 12;
export const MOST_STRENGTHS = 8;
