/** Opens what a preview is made of: a video, or a picture. */
import { type DecodedPicture, decodePicture, UnusablePicture } from '../../pictures/decode.js';
import { parseLocation } from '../../storage/location/location.js';
import { JobError } from '../../system/errors.js';
import { chooseDepth } from '../../video/codecs/depth.js';
import type { WireOutput } from '../../video/frames/wire.js';
import { type WirePlan, wirePlan } from '../../video/frames/wire.js';
import { probe, type SourceFacts, sourceLimits } from '../../video/source/probe.js';
import type { StorageContext } from '../context/storage-context.js';
import { findPictures, type PictureInput } from '../pictures/find.js';
import { inputReader } from '../pictures/read-input.js';
import { openSource, type Source, withDisplayName } from '../prepare/source.js';
import type { PreviewOptions } from './preview-options.js';

export interface PreviewedVideo {
  readonly kind: 'video';
  readonly file: Source;
  readonly source: SourceFacts;
  readonly wire: WirePlan;
}

export interface PreviewedPicture {
  readonly kind: 'picture';
  readonly picture: DecodedPicture;
}

export type PreviewInput = PreviewedVideo | PreviewedPicture;

/**
 * Opens INPUT. Frames of a video come as a job would process them for `output`.
 *
 * @throws {JobError} input: when it cannot be read.
 * @throws {JobError} usage: when it is no single video or picture, or an option does not apply to it.
 */
export async function openPreviewInput(
  options: PreviewOptions,
  output: WireOutput,
  storage: StorageContext,
): Promise<PreviewInput> {
  const found = await findPictures([options.input], undefined, storage.stopped);
  const [first, second] = found.pictures;
  if (found.isFolder || second !== undefined || (first === undefined && found.video === undefined)) {
    throw new JobError('usage', `preview takes one video or picture, and "${options.input}" names several`, {
      hint: 'give one file of them',
    });
  }
  if (first !== undefined) return openPicture(options, first, storage);
  const file = await openSource(parseLocation(options.input), storage);
  const source = await withDisplayName(file, () => probe(file.path, sourceLimits(), options.video));
  const depth = chooseDepth(options.depth, source.video, options);
  return { kind: 'video', file, source, wire: wirePlan(source.video, output, depth) };
}

async function openPicture(
  { form, at, video, tolerant, cutThreshold, steady }: PreviewOptions,
  input: PictureInput,
  storage: StorageContext,
): Promise<PreviewedPicture> {
  if (form.kind === 'comparison') {
    throw new JobError('usage', `${input.display} is a picture, of which no video is made`, {
      hint: 'name the output .png or .jpg',
    });
  }
  const of: Readonly<Record<string, boolean>> = {
    at: at !== undefined,
    video: video !== undefined,
    tolerant,
    'cut-threshold': cutThreshold !== undefined,
    steady: steady > 0,
  };
  const given = Object.keys(of).find((name) => of[name]);
  if (given !== undefined) {
    throw new JobError('usage', `--${given} does not apply to a picture`, {
      hint: 'it is for videos: omit it',
    });
  }
  const read = await inputReader(storage.stopped).read(input);
  if ('refused' in read) throw new JobError('input', `${input.display} cannot be used: ${read.refused}`);
  try {
    return { kind: 'picture', picture: await decodePicture(read.bytes, undefined) };
  } catch (error) {
    if (!(error instanceof UnusablePicture)) throw error;
    throw new JobError('input', `${input.display} cannot be used: ${error.message}`, { cause: error });
  }
}
