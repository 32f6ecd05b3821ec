/** The bit rate and the encoder's options that a user has set. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { JobError, messageOf } from '../../system/errors.js';
import type { EncodeSpec } from '../../video/codecs/codec.js';
import { settingsText } from '../../video/codecs/encoder-settings.js';
import { FfmpegFailure } from '../../video/ffmpeg/ffmpeg-messages.js';
import { openEncoder } from '../../video/frames/encode.js';
import { encodeGrey } from '../../video/frames/nvidia-trial.js';
import type { Identity } from '../journal/identity.js';
import { ENCODER_WORK } from '../journal/work.js';

/**
 * Encodes a few frames as the job will, if the user has set options of the encoder.
 *
 * @throws {JobError} output: when the encoder refuses them.
 */
export async function tryEncoder(spec: EncodeSpec, folder: () => Promise<string>): Promise<void> {
  const { settings = [] } = spec;
  if (settings.length === 0) return;
  const path = join(await folder(), 'encoder-trial.nut');
  const encoder = openEncoder({ ...spec, ...ENCODER_WORK }, path);
  try {
    await encodeGrey(encoder, spec);
  } catch (error) {
    const failure = error instanceof JobError && error.cause instanceof FfmpegFailure ? error.cause : error;
    const why = (failure instanceof FfmpegFailure ? failure.first : undefined) ?? messageOf(error);
    throw new JobError('output', `the encoder refuses --encoder-option ${settingsText(settings)}: ${why}`, {
      hint: 'omit the option, or give another value',
      cause: error,
    });
  } finally {
    await encoder.abort();
    await rm(path, { force: true });
  }
}

/** Returns what of these must be equal for a run to reuse earlier work: nothing if none is set. */
export function settingsIdentity({ bitrate, settings = [] }: EncodeSpec): Identity {
  return {
    ...(bitrate === undefined ? {} : { bitrate }),
    ...(settings.length === 0 ? {} : { 'encoder options': settingsText(settings) }),
  };
}
