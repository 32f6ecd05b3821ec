import type { RunOptions } from '../../job/context/options.js';
import { numberedNames } from '../../storage/location/numbered-names.js';
import type { JobError } from '../../system/errors.js';
import { type ChromaRequest, chromasOf } from '../../video/codecs/chroma.js';
import { CODECS, type Codec } from '../../video/codecs/codec.js';
import { CODEC_FACTS } from '../../video/codecs/codecs.js';
import { type DEPTH_CHOICES, depthsOf } from '../../video/codecs/depth.js';
import { containerNamed } from '../../video/formats/container.js';
import { optionValues } from '../parsing/option-values.js';

export const CRF_HELP = `quality, lower is better: ${CODECS.flatMap(crfOf).join(', ')}`;
export const PRESET_HELP = `the encoder's speed, or the codec's profile: ${CODECS.flatMap(presetOf).join('; ')}`;
export const DEPTH_HELP =
  'bits per sample, through the model and in the output; auto: those of the source, as far as players of the codec show them';
export const CHROMA_HELP =
  'chroma, through a model that takes RGB and in the output; auto: that of the source, as far as players of the codec show it';

function crfOf(codec: Codec): readonly string[] {
  const { crf } = CODEC_FACTS[codec];
  return typeof crf === 'string' ? [] : [`${codec} 0 to ${crf.most} (default ${crf.byDefault})`];
}

function presetOf(codec: Codec): readonly string[] {
  const { preset } = CODEC_FACTS[codec];
  if (typeof preset === 'string') return [];
  const [first, last] = [preset.allowed[0], preset.allowed.at(-1)];
  return [`${codec} ${first} to ${last} (default ${preset.byDefault})`];
}

/** Returns the codec that people call `name`, in any case; `name` itself if there is none. */
export function codecNamed(name: string): string {
  const asked = name.toLowerCase();
  return CODECS.find((codec) => codec === asked || CODEC_FACTS[codec].aliases.includes(asked)) ?? name;
}

/** The codec of a video where no container is known. */
const USUAL_CODEC: Codec = 'h264';

/** Options of an encoding as given; a codec is one of the table. */
export interface AskedEncoding {
  readonly codec: string | undefined;
  readonly crf: number | undefined;
  readonly preset: string | undefined;
  readonly depth: (typeof DEPTH_CHOICES)[number] | undefined;
}

/**
 * Returns `asked` if its codec's encoder takes it. Without a codec it is the first of the table that the
 * container that `name` tells holds: VP9 in WebM, otherwise H.264.
 *
 * @throws {JobError} usage: when it does not.
 */
export function encodingOf(
  asked: AskedEncoding,
  name: string,
  usage: (message: string) => JobError,
): Pick<RunOptions, 'codec' | 'crf' | 'preset' | 'depth'> {
  const { crf, preset } = asked;
  const image = numberedNames(name)?.format;
  if (image !== undefined && asked.codec !== undefined)
    throw usage('--codec does not apply where OUTPUT is a sequence of pictures: its names say the format');
  const codec = image ?? CODECS.find((one) => one === asked.codec) ?? usualCodec(name);
  const facts = CODEC_FACTS[codec];
  if (crf !== undefined) {
    if (typeof facts.crf === 'string') throw usage(`--codec ${codec} takes no --crf: ${facts.crf}`);
    const { inRange } = optionValues((message) => usage(`${message} for ${codec}`));
    inRange('crf', crf, 0, facts.crf.most);
  }
  if (preset !== undefined) {
    if (typeof facts.preset === 'string') throw usage(`--codec ${codec} takes no --preset: ${facts.preset}`);
    const { allowed } = facts.preset;
    if (!allowed.includes(preset)) {
      throw usage(
        `--preset of ${codec} is one of ${allowed.join(', ')}, and cannot be ${JSON.stringify(preset)}`,
      );
    }
  }
  return { codec, crf, preset, depth: depthOf(codec, asked, usage) };
}

/**
 * Returns `chroma` if the encoder of that encoding takes it.
 *
 * @throws {JobError} usage: when it does not.
 */
export function chromaOf(
  { codec, preset }: Pick<RunOptions, 'codec' | 'preset'>,
  chroma: ChromaRequest | undefined,
  usage: (message: string) => JobError,
): ChromaRequest {
  if (chroma === undefined || chroma === 'auto') return 'auto';
  const all = chromasOf({ codec, preset });
  if (all.includes(chroma)) return chroma;
  throw usage(`--chroma of ${profileOf(codec, preset)} is ${all.join(' or ')}, and cannot be ${chroma}`);
}

function profileOf(codec: Codec, preset: string | undefined): string {
  return `--codec ${codec}${preset === undefined ? '' : ` --preset ${preset}`}`;
}

function usualCodec(name: string): Codec {
  const container = containerNamed(name);
  if (container === undefined) return USUAL_CODEC;
  return CODECS.find((codec) => CODEC_FACTS[codec].containers.includes(container.name)) ?? USUAL_CODEC;
}

function depthOf(
  codec: Codec,
  { preset, depth = 'auto' }: AskedEncoding,
  usage: (message: string) => JobError,
): RunOptions['depth'] {
  if (depth === 'auto') return depth;
  const all = depthsOf({ codec, preset });
  const found = all.find((bits) => String(bits) === depth);
  if (found !== undefined) return found;
  throw usage(`--depth of ${profileOf(codec, preset)} is ${all.join(' or ')}, and cannot be ${depth}`);
}
