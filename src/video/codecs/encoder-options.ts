/** The options of the encoders. */
import type { EncodeSpec } from './codec.js';
import { CODEC_FACTS } from './codecs.js';
import { settingWords } from './encoder-settings.js';
import { type EncoderTags, encoderTags } from './encoder-tags.js';
import { nvencOptions } from './nvidia.js';

/** Returns ffmpeg's output options for an encoding. The same frames give the same bytes. */
export async function encoderOptions(spec: EncodeSpec): Promise<string[]> {
  const tags = encoderTags(spec);
  const { intraOnly, options, settings } = CODEC_FACTS[spec.codec];
  return [
    ...['-filter:v', filters(spec, tags), '-fps_mode', 'passthrough'],
    ...(spec.gpu === undefined ? await options(spec, tags.params) : nvencOptions(spec, spec.gpu)),
    ...settingWords(spec.settings ?? [], settings, 'option'),
    ...['-g', intraOnly ? '1' : String(spec.keyframeInterval), '-pix_fmt', spec.pixelFormat],
    ...['-flags:v', '+bitexact+cgop', '-threads', String(spec.threads)],
    ...tags.options,
    ...(spec.extra ?? []),
  ];
}

function filters(spec: EncodeSpec, tags: EncoderTags): string {
  const { pixelFormat, sampleAspectRatio: aspect } = spec;
  const { onlyMatrix = spec.matrix } = CODEC_FACTS[spec.codec].colour;
  const converts =
    pixelFormat !== spec.sample.pixelFormats.plain ||
    tags.range !== spec.tags.range ||
    onlyMatrix !== spec.matrix;
  const matrices =
    onlyMatrix === spec.matrix ? '' : `in_color_matrix=${spec.matrix}:out_color_matrix=${onlyMatrix}:`;
  const ranges = `in_range=${spec.tags.range}:out_range=${tags.range}`;
  return [
    ...(converts
      ? [`scale=${matrices}${ranges}:flags=bicubic+accurate_rnd+full_chroma_int`, `format=${pixelFormat}`]
      : []),
    tags.filter,
    // Without its own bound the filter takes the nearest ratio of terms up to 100.
    `setsar=${aspect === undefined ? '0' : `${aspect.num}/${aspect.den}:max=${Math.max(aspect.num, aspect.den)}`}`,
  ].join(',');
}
