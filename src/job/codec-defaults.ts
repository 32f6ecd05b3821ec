import type { Codec } from './options.js';

/** What `--crf` and `--preset` may say to a codec's encoder; undefined where it has no such choice. */
export interface CodecChoices {
  /** From 0 to `most`, the less the better. */
  readonly crf: { readonly byDefault: number; readonly most: number } | undefined;
  readonly preset: { readonly byDefault: string; readonly allowed: readonly string[] } | undefined;
}

const SPEEDS = 'ultrafast superfast veryfast faster fast medium slow slower veryslow placebo'.split(' ');
const PRORES_PROFILES = ['proxy', 'lt', 'standard', 'hq', '4444', '4444xq'];

/** The defaults: visually close to lossless, at a speed that keeps up with a model. */
export const CODEC_CHOICES: Readonly<Record<Codec, CodecChoices>> = {
  h264: { crf: { byDefault: 18, most: 51 }, preset: { byDefault: 'medium', allowed: SPEEDS } },
  hevc: { crf: { byDefault: 20, most: 51 }, preset: { byDefault: 'medium', allowed: SPEEDS } },
  vp9: { crf: { byDefault: 24, most: 63 }, preset: { byDefault: '4', allowed: numbersTo(8) } },
  av1: { crf: { byDefault: 24, most: 63 }, preset: { byDefault: '8', allowed: numbersTo(13) } },
  prores: {
    crf: undefined,
    preset: { byDefault: '3', allowed: [...numbersTo(PRORES_PROFILES.length - 1), ...PRORES_PROFILES] },
  },
  ffv1: { crf: undefined, preset: undefined },
};

function numbersTo(most: number): readonly string[] {
  return Array.from({ length: most + 1 }, (_, at) => String(at));
}

/** Quality and speed where the user asks for none. */
export function codecDefaults(codec: Codec): { readonly crf: number; readonly preset: string } {
  const { crf, preset } = CODEC_CHOICES[codec];
  return { crf: crf?.byDefault ?? 0, preset: preset?.byDefault ?? '' };
}
