import type { Codec } from './options.js';

/** Quality and speed where the user asks for none: visually close to lossless, at a speed that keeps up with a model. */
export function codecDefaults(codec: Codec): { readonly crf: number; readonly preset: string } {
  switch (codec) {
    case 'h264':
      return { crf: 18, preset: 'medium' };
    case 'hevc':
      return { crf: 20, preset: 'medium' };
    case 'vp9':
      return { crf: 24, preset: '4' };
    case 'av1':
      return { crf: 24, preset: '8' };
    case 'prores':
      return { crf: 0, preset: '3' };
    case 'ffv1':
      return { crf: 0, preset: '' };
  }
}
