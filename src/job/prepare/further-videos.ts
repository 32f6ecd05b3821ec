/** The videos of a model's further pictures: where they go, and how they are made. */
import type { FurtherFrames } from '../../model/compose/further-ends.js';
import type { LoadedModel } from '../../model/load/loaded-model.js';
import { type Location, parseLocation } from '../../storage/location/location.js';
import { JobError } from '../../system/errors.js';
import { didYouMean } from '../../system/suggestion.js';
import type { EncodeSpec } from '../../video/codecs/codec.js';
import { type Container, containerNamed } from '../../video/formats/container.js';
import type { FrameFormat } from '../../video/formats/frame-format.js';
import type { StreamPlan } from '../../video/mux/stream-plan.js';
import type { SourceFacts } from '../../video/source/source-facts.js';
import { refuseCodec } from '../../video/streams/streams.js';
import type { JobOptions } from '../context/options.js';
import type { StorageContext } from '../context/storage-context.js';
import type { Identity } from '../journal/identity.js';
import { type Destination, openDestination } from '../output/destination.js';
import { withHdr } from './hdr.js';

/** The place of a further picture's video, beside the output. */
export interface VideoBeside {
  /** The name of the model's output. */
  readonly name: string;
  /** Where it goes, as the command line says. */
  readonly location: Location;
  readonly destination: Destination;
  readonly container: Container;
}

/** The video of a further picture. */
export interface FurtherVideo extends Pick<VideoBeside, 'name' | 'destination' | 'container'> {
  readonly spec: EncodeSpec;
  readonly streams: StreamPlan;
  /** The source without what goes with the main video alone. */
  readonly source: SourceFacts;
}

/**
 * Opens the destinations of those --output whose names are those of videos.
 *
 * @throws {JobError} output: when one cannot be opened.
 */
export async function openVideosBeside(
  { outputs }: Pick<JobOptions, 'outputs'>,
  storage: StorageContext,
): Promise<readonly VideoBeside[]> {
  const opened = [...outputs].map(async ([name, text]): Promise<readonly VideoBeside[]> => {
    const location = parseLocation(text);
    const destination = await openDestination(location, storage);
    const container = containerNamed(destination.name);
    return container === undefined ? [] : [{ name, location, destination, container }];
  });
  return (await Promise.all(opened)).flat();
}

/**
 * Returns the model with those of its further pictures that the job writes, and notes on the others. `tables`
 * are all that its manifest names.
 *
 * @throws {JobError} model: when it does not give what the job should write.
 */
export function withPictures(
  model: LoadedModel,
  besides: readonly VideoBeside[],
  tables: LoadedModel['tables'],
): { readonly model: LoadedModel; readonly notes: readonly string[] } {
  const { file, pictures, io } = model;
  for (const { name } of besides) {
    if (pictures.some((one) => one.name === name)) continue;
    if (io.io === 'rgb' && io.output.name === name) {
      throw new JobError('usage', `OUTPUT is the picture "${name}", so --output ${name} does not apply`, {
        hint: 'the first picture of the manifest is OUTPUT',
      });
    }
    if (tables.some((one) => one.name === name)) {
      throw new JobError('usage', `the output "${name}" of "${file}" is a table, and no video`, {
        hint: `give --output ${name} a name that ends in .parquet, .jsonl or .csv`,
      });
    }
    const own = pictures.map((one) => one.name);
    const has = own.length === 0 ? '' : `${didYouMean(name, own)}; it has ${own.join(', ')}`;
    throw new JobError('model', `"${file}" has no further picture "${name}"${has}`, {
      hint: 'correct the name after --output, or add the role "picture" in a manifest of format 2',
    });
  }
  const isWritten = (name: string): boolean => besides.some((one) => one.name === name);
  const left = pictures.filter(({ name }) => !isWritten(name)).map(({ name }) => name);
  const option =
    left.length === 1
      ? `with one INPUT, --output ${left[0]}=FILE writes it`
      : 'with one INPUT, --output NAME=FILE writes one';
  const notes = left.length === 0 ? [] : [`${alsoGives(left)} not written: ${option}`];
  return { model: { ...model, pictures: pictures.filter(({ name }) => isWritten(name)) }, notes };
}

/**
 * Returns the model with its main picture alone, for what shows or writes no other; a note in it says what is
 * left out.
 */
export function mainPicture(model: LoadedModel): LoadedModel {
  const left = model.pictures.map(({ name }) => name);
  if (left.length === 0) return model;
  const note = `${alsoGives(left)} not made: --output is for jobs of one video`;
  return { ...model, pictures: [], notes: [...model.notes, note] };
}

function alsoGives(names: readonly string[]): string {
  const [first] = names;
  return names.length === 1
    ? `the model also gives the picture "${first}", which is`
    : `the model also gives the pictures ${names.map((name) => `"${name}"`).join(', ')}, which are`;
}

/**
 * Plans the video of each further picture: alone in its file, with the frames, times and codec of the main
 * one.
 *
 * @param frames those of the further pictures in a row of the graph's result, in order.
 * @param specOf returns how frames are encoded.
 * @throws {JobError} usage: when a container cannot hold the codec, or the rotation that the main video
 *   keeps.
 */
export async function planFurther(
  source: SourceFacts,
  main: Container,
  besides: readonly VideoBeside[],
  frames: readonly FurtherFrames[],
  specOf: (format: FrameFormat) => EncodeSpec,
): Promise<readonly FurtherVideo[]> {
  const planned: FurtherVideo[] = [];
  for (const { name, format } of frames) {
    const beside = besides.find((one) => one.name === name);
    if (beside === undefined) throw new JobError('internal', `the picture "${name}" has no place`);
    const { destination, container } = beside;
    const { video } = source;
    if (video.displayMatrix !== undefined && main.carriesDisplayMatrix && !container.carriesDisplayMatrix) {
      throw new JobError('usage', `.${container.name} cannot hold the mark of rotation that OUTPUT keeps`, {
        hint: `give --output ${name} a name that ends in .${main.name}, as OUTPUT does`,
      });
    }
    // Where the main container has no mark of rotation, frames come upright.
    const shown = main.carriesDisplayMatrix ? video : { ...video, displayMatrix: undefined };
    const streams = source.streams.filter(({ index }) => index === video.index);
    const own = { ...source, streams, video: shown, chapters: 0, tags: {} };
    const spec = await withHdr(specOf(format), video);
    await refuseCodec(own, container, spec.codec).catch((error: unknown) => {
      if (!(error instanceof JobError)) throw error;
      throw new JobError(error.code, `--output ${name}: ${error.message}`, {
        hint: error.hint ?? 'give it another name',
      });
    });
    const actions = [{ kind: 'video', index: video.index }] as const;
    const plan = { actions, notes: [], isAlone: true } as const;
    planned.push({ name, destination, container, spec, streams: plan, source: own });
  }
  return planned;
}

/**
 * Returns what of the further videos must be equal for a run to reuse earlier work; nothing if there are
 * none.
 */
export function furtherIdentity(videos: readonly FurtherVideo[]): Identity {
  if (videos.length === 0) return {};
  return {
    'further pictures': videos.map(({ name, container }) => `${name} as ${container.name}`).join(', '),
  };
}
