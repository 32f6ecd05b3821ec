import type { JobError } from '../errors.js';
import { CODEC_CHOICES } from '../job/codec-defaults.js';
import type { RunOptions } from '../job/options.js';
import { optionValues } from './option-values.js';

export const CRF_HELP =
  'quality, lower is better, 0 is lossless for h264; default: h264 18, hevc 20 (up to 51), vp9 24, av1 24 (up to 63); not for prores and ffv1';
export const PRESET_HELP =
  "the encoder's speed: ultrafast to placebo for h264 and hevc (default medium), 0 to 8 for vp9 (4), 0 to 13 for av1 (8); for prores its profile, 0 to 5 or proxy to 4444xq (3); not for ffv1";

/** `asked`, once its codec's encoder is known to take it; whose usage errors `usage` makes. */
export function encodingOf(
  asked: Pick<RunOptions, 'codec' | 'crf' | 'preset'>,
  usage: (message: string) => JobError,
): Pick<RunOptions, 'codec' | 'crf' | 'preset'> {
  const { codec, crf, preset } = asked;
  const choices = CODEC_CHOICES[codec];
  if (crf !== undefined) {
    if (choices.crf === undefined) {
      const instead = codec === 'ffv1' ? 'it is lossless' : 'its quality is that of its profile, --preset';
      throw usage(`--codec ${codec} takes no --crf: ${instead}`);
    }
    const { inRange } = optionValues((message) => usage(`${message} for ${codec}`));
    inRange('crf', crf, 0, choices.crf.most);
  }
  if (preset !== undefined) {
    if (choices.preset === undefined) throw usage(`--codec ${codec} takes no --preset: it has but one speed`);
    const { allowed } = choices.preset;
    if (!allowed.includes(preset)) {
      throw usage(
        `--preset of ${codec} is one of ${allowed.join(', ')}, and cannot be ${JSON.stringify(preset)}`,
      );
    }
  }
  return asked;
}
