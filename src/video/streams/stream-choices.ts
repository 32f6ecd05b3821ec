/** What the user wants of audio and subtitle streams. Pure. */

/** Codecs that audio can be encoded with when asked: ffmpeg's encoder, a label, the default bit rate. */
export const AUDIO_CODECS = {
  aac: { encoder: 'aac', label: 'AAC', bitRate: '256k' },
  opus: { encoder: 'libopus', label: 'Opus', bitRate: '192k' },
  mp3: { encoder: 'libmp3lame', label: 'MP3', bitRate: '256k' },
  ac3: { encoder: 'ac3', label: 'AC-3', bitRate: '448k' },
  flac: { encoder: 'flac', label: 'FLAC', bitRate: undefined },
  pcm: { encoder: 'pcm_s24le', label: '24-bit PCM', bitRate: undefined },
} as const;

export type AudioCodec = keyof typeof AUDIO_CODECS;

/** `keep`: copied where the container holds it, otherwise converted. */
export type AudioChoice =
  | { readonly kind: 'keep' }
  | { readonly kind: 'none' }
  | { readonly kind: 'encode'; readonly codec: AudioCodec; readonly bitRate: string | undefined };

export interface StreamChoices {
  readonly audio: AudioChoice;
  readonly subtitles: 'keep' | 'none';
}

/** Every stream is kept. */
export const KEEP_STREAMS: StreamChoices = { audio: { kind: 'keep' }, subtitles: 'keep' };

/** How audio is encoded: ffmpeg's encoder and bit rate, and both in words. */
export interface AudioEncoding {
  readonly encoder: string;
  readonly bitRate: string | undefined;
  readonly label: string;
}

/** Returns the encoding that was asked for; undefined if none was. */
export function askedEncoding(choice: AudioChoice): AudioEncoding | undefined {
  if (choice.kind !== 'encode') return undefined;
  const { encoder, label, bitRate: usual } = AUDIO_CODECS[choice.codec];
  const bitRate = choice.bitRate ?? usual;
  const rate = bitRate === undefined ? '' : `, ${bitRate.slice(0, -1)} kbit/s`;
  return { encoder, bitRate, label: `${label}${rate}` };
}

/**
 * Returns the choice that a text names: `copy`, `none`, a codec, or one with a bit rate in kbit/s
 * (`aac:192k`); undefined for anything else.
 */
export function audioChoice(text: string): AudioChoice | undefined {
  if (text === 'copy') return KEEP_STREAMS.audio;
  if (text === 'none') return { kind: 'none' };
  const [, name = '', bitRate] = /^([a-z0-9]+)(?::([1-9]\d{0,3}k))?$/.exec(text) ?? [];
  if (!isAudioCodec(name)) return undefined;
  if (bitRate !== undefined && AUDIO_CODECS[name].bitRate === undefined) return undefined;
  return { kind: 'encode', codec: name, bitRate };
}

/** Returns the text that names a choice. */
export function audioText(choice: AudioChoice): string {
  if (choice.kind !== 'encode') return choice.kind;
  return choice.bitRate === undefined ? choice.codec : `${choice.codec}:${choice.bitRate}`;
}

function isAudioCodec(name: string): name is AudioCodec {
  return Object.hasOwn(AUDIO_CODECS, name);
}
