/** The options of the encoders. */
import type { EncodeSpec } from './codec.js';
import { CODEC_FACTS } from './codecs.js';
import { settingWords } from './encoder-settings.js';
import { type EncoderTags, encoderTags } from './encoder-tags.js';
import { nvencOptions } from './nvidia.js';

/** Returns ffmpeg's output options for an encoding. The same frames give the same bytes. */
export async function encoderOptions(spec: EncodeSpec): Promise<string[]> {
  const tags = encoderTags(spec);
  const { intraOnly, options, settings, colour } = CODEC_FACTS[spec.codec];
  return [
    ...['-filter:v', filters(spec, tags), '-fps_mode', 'passthrough'],
    ...(spec.gpu === undefined ? await options(spec, tags.params) : nvencOptions(spec, spec.gpu)),
    ...settingWords(spec.settings ?? [], settings, 'option'),
    ...['-g', intraOnly ? '1' : String(spec.keyframeInterval), '-pix_fmt', spec.pixelFormat],
    ...['-flags:v', '+bitexact+cgop', '-threads', String(spec.threads)],
    ...(colour.stills === undefined ? tags.options : []),
    ...(spec.extra ?? []),
  ];
}

function filters(spec: EncodeSpec, tags: EncoderTags): string {
  const { pixelFormat, sampleAspectRatio: aspect } = spec;
  const { onlyMatrix = spec.matrix, stills } = CODEC_FACTS[spec.codec].colour;
  // Without its own bound the filter takes the nearest ratio of terms up to 100.
  const shape = `setsar=${aspect === undefined ? '0' : `${aspect.num}/${aspect.den}:max=${Math.max(aspect.num, aspect.den)}`}`;
  if (stills !== undefined) return [...stillFilters(spec, stills), shape].join(',');
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
    shape,
  ].join(',');
}

/** Returns the filters that give frames the colours of single pictures. */
function stillFilters({ matrix, tags, pixelFormat }: EncodeSpec, stills: 'rgb' | 'jfif'): readonly string[] {
  const to = stills === 'rgb' ? '' : 'out_color_matrix=bt601:out_range=full:';
  const flags = 'flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact';
  return [`scale=in_color_matrix=${matrix}:in_range=${tags.range}:${to}${flags}`, `format=${pixelFormat}`];
}
