/** --bitrate and --encoder-option. */
import type { Argv } from 'yargs';
import type { RunOptions } from '../../job/context/options.js';
import type { JobError } from '../../system/errors.js';
import { didYouMean } from '../../system/suggestion.js';
import { CODECS, type Codec } from '../../video/codecs/codec.js';
import { CODEC_FACTS } from '../../video/codecs/codecs.js';
import type { ChosenSettings } from '../../video/codecs/encoder-settings.js';

/** Bounds of a bit rate, in bits per second. */
const LEAST_BITRATE = 10_000;
const MOST_BITRATE = 1_000_000_000;
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1000, m: 1_000_000 };

const TAKERS = CODECS.filter((codec) => typeof CODEC_FACTS[codec].crf !== 'string').join(', ');

/** Adds them to a parser. */
export function encoderSettingOptions<T>(parser: Argv<T>, group: string) {
  return parser
    .option('bitrate', {
      type: 'string',
      group,
      describe: `aim at so many bits per second in place of --crf, such as 5M or 800k: ${TAKERS}`,
    })
    .option('encoder-option', {
      type: 'string',
      group,
      describe: `NAME=VALUE: an option of the encoder, such as tune=film; may be repeated: ${CODECS.flatMap(namesOf).join('; ')}`,
    });
}

function namesOf(codec: Codec): readonly string[] {
  const names = Object.keys(CODEC_FACTS[codec].settings);
  return names.length === 0 ? [] : [`${codec} ${names.join(', ')}`];
}

/** Options as given. */
interface Asked {
  readonly bitrate: string | undefined;
  readonly crf: number | undefined;
  readonly 'encoder-option': string | readonly string[] | undefined;
}

/**
 * Returns the bit rate and the encoder's options that are asked for.
 *
 * @throws {JobError} usage: when the codec does not take them.
 */
export function encoderSettingsOf(
  { bitrate, crf, 'encoder-option': given }: Asked,
  codec: Codec,
  usage: (message: string) => JobError,
): Pick<RunOptions, 'bitrate' | 'encoderOptions'> {
  const facts = CODEC_FACTS[codec];
  if (bitrate !== undefined && crf !== undefined) throw usage('--bitrate and --crf exclude each other');
  if (bitrate !== undefined && typeof facts.crf === 'string')
    throw usage(`--codec ${codec} takes no --bitrate: ${facts.crf}`);
  return {
    bitrate: bitrate === undefined ? undefined : bitsPerSecond(bitrate, usage),
    encoderOptions: chosen(given === undefined ? [] : [given].flat(), codec, usage),
  };
}

function bitsPerSecond(text: string, usage: (message: string) => JobError): number {
  const [, number = '', unit = ''] = /^(\d{1,10}(?:\.\d{1,3})?)([km]?)$/i.exec(text) ?? [];
  const bits = Math.round(Number(number) * (UNITS[unit.toLowerCase()] ?? 0));
  if (number !== '' && bits >= LEAST_BITRATE && bits <= MOST_BITRATE) return bits;
  throw usage(`--bitrate takes bits per second from 10k to 1000M, such as 5M, not ${JSON.stringify(text)}`);
}

function chosen(
  given: readonly string[],
  codec: Codec,
  usage: (message: string) => JobError,
): ChosenSettings {
  const { settings } = CODEC_FACTS[codec];
  const found = new Map<string, string>();
  for (const text of given) {
    const [, name = '', value = ''] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
    if (name === '')
      throw usage(`--encoder-option takes NAME=VALUE, such as tune=film, not ${JSON.stringify(text)}`);
    const setting = Object.hasOwn(settings, name) ? settings[name] : undefined;
    if (setting === undefined) {
      const names = Object.keys(settings);
      const all = names.length === 0 ? 'it takes none' : `it takes ${names.join(', ')}`;
      throw usage(
        `--codec ${codec} takes no --encoder-option ${JSON.stringify(name)}${didYouMean(name, names)}: ${all}`,
      );
    }
    if (!setting.allows(value))
      throw usage(
        `--encoder-option ${name} of ${codec} takes ${setting.takes}, and cannot be ${JSON.stringify(value)}`,
      );
    if (found.has(name)) throw usage(`--encoder-option ${name} is given twice`);
    found.set(name, value);
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1));
}
