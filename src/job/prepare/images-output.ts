/** Decides how the frames of a job become a sequence of pictures. */
import { display, parseLocation } from '../../storage/location/location.js';
import { isSequence, type NumberedNames, numberedNames } from '../../storage/location/numbered-names.js';
import { JobError } from '../../system/errors.js';
import type { EncodeSpec } from '../../video/codecs/codec.js';
import { CODEC_FACTS } from '../../video/codecs/codecs.js';
import { nameOf, type StreamPlan } from '../../video/mux/stream-plan.js';
import type { SourceFacts } from '../../video/source/source-facts.js';
import type { JobOptions } from '../context/options.js';
import type { StorageContext } from '../context/storage-context.js';
import { type Destination, openDestination } from '../output/destination.js';
import { isPublicationBegun } from '../output/publication.js';
import { sequenceDestination } from '../output/sequence-destination.js';
import type { Source } from './source.js';

/** Opens the output of a job: a file, a blob, or a sequence of pictures. */
export async function openOutput(options: JobOptions, storage: StorageContext): Promise<Destination> {
  const location = parseLocation(options.output);
  const names = location.kind === 'file' ? numberedNames(location.path) : undefined;
  if (location.kind === 'file' && names !== undefined)
    return sequenceDestination(location.path, names, await isPublicationBegun(options), storage);
  if (location.kind === 'blob' && isSequence(location.name)) {
    throw new JobError(
      'usage',
      `${display(location)}: a sequence of pictures cannot be written to Blob storage`,
      {
        hint: 'write it to a folder, and copy that',
      },
    );
  }
  return openDestination(location, storage);
}

/** The names of pictures that frames become, and the number of the first one. */
export interface PictureNames {
  readonly names: NumberedNames;
  readonly first: number;
}

/**
 * Returns the names that the output's pictures get; undefined if it is one file. Pictures of an input keep
 * their numbers.
 */
export function pictureNames(
  input: Source,
  { output, startNumber }: Pick<JobOptions, 'output' | 'startNumber'>,
): PictureNames | undefined {
  const names = numberedNames(output);
  return names && { names, first: input.sequence?.first ?? startNumber ?? 1 };
}

/** Returns the plan for the streams of a source beside pictures: they hold nothing else. */
export function streamsBesidePictures({ streams, video }: SourceFacts): StreamPlan {
  const others = streams.filter(({ index }) => index !== video.index);
  const names = others.map(nameOf).join(', ');
  return {
    actions: streams.map(({ index }) =>
      index === video.index ? ({ kind: 'video', index } as const) : ({ kind: 'drop', index } as const),
    ),
    notes: others.length === 0 ? [] : [`Pictures hold no other streams: left out are ${names}.`],
    isAlone: true,
  };
}

/** Returns notes on pictures as the output, one line each. */
export function imageNotes({ codec, pixelFormat, sample, matrix, tags }: EncodeSpec): readonly string[] {
  const { title, colour } = CODEC_FACTS[codec];
  const bits = sample.bits === 8 ? '8' : '16';
  const what =
    colour.stills === 'jfif'
      ? "Y'CbCr of BT.601, full range (JFIF), 4:2:0"
      : `${bits}-bit RGB (${pixelFormat})`;
  return [
    `Every frame becomes a ${title} file: ${what}, from ${matrix}, ${tags.range} range. Times of frames are not kept.`,
  ];
}
