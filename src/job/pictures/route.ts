/** Decides, in one place, whether a command processes videos or pictures, and runs it. */
import type { World } from '../../mpi/world.js';
import { displayText, isAddress, lastName, parseLocation } from '../../storage/location/location.js';
import { isSequence } from '../../storage/location/numbered-names.js';
import { isVideoName } from '../../storage/video-listing.js';
import { JobError } from '../../system/errors.js';
import { outputTable } from '../../table/write.js';
import { onRoot } from '../collective.js';
import type { RunContext } from '../context/context.js';
import type { PicturesOptions } from '../context/options.js';
import { findPictures, type PicturesWork } from './find.js';
import { refuseVideoOptions } from './video-options.js';
import { settleFolders, type Work } from './work.js';

/** Runs a command on every rank: as one video, a queue of videos, or pictures. */
export async function runWork(context: RunContext, given: Work): Promise<void> {
  const { world } = context;
  const work = await settleFolders(world, given);
  const pictures = mayBePictures(work) ? await onRoot(world, () => picturesOf(context, work)) : undefined;
  const arePictures = mayBePictures(work) && (await agreed(world, pictures !== undefined));
  if (arePictures) {
    const { runPictures } = await import('./run.js');
    await runPictures(context, pictures);
  } else if (work.kind === 'job') {
    const { runOne } = await import('../one.js');
    await runOne(context, work.options);
  } else if (work.kind === 'queue') {
    const { runQueue } = await import('../queue/queue.js');
    await runQueue(context, work.options);
  }
}

function agreed(world: World, value: boolean): Promise<boolean> {
  return world.broadcastValue(world.isRoot ? value : undefined);
}

/** Returns whether a command must be looked at. The same on every rank. A video into a video need not. */
function mayBePictures(work: Work): boolean {
  if (work.kind !== 'job') return true;
  const { input, output, format } = work.options;
  if (isSequence(nameOf(input))) return false;
  return outputTable(nameOf(output), format) !== undefined && !isVideoName(nameOf(input));
}

function nameOf(text: string): string {
  const location = isAddress(text) ? parseLocation(text) : undefined;
  return location === undefined ? text.slice(text.lastIndexOf('/') + 1) : lastName(location);
}

/**
 * Returns the job of pictures that a command is; undefined if it is one of videos.
 *
 * @throws {JobError} usage: when it is neither, or both.
 */
async function picturesOf(context: RunContext, work: Work): Promise<PicturesWork | undefined> {
  const { log, stop } = context;
  const options = optionsOf(work);
  const found = await findPictures(options.inputs, options.list, stop.aborted);
  const [first] = found.pictures;
  if (found.video !== undefined) {
    if (first !== undefined) throw mixed(first.display, found.video);
    if (work.kind === 'pictures' || (work.kind === 'job' && found.isFolder))
      throw notPictures(options, found.video);
    if (options.maxFailures !== undefined) throw usage('--max-failures goes with pictures');
    if (found.besideVideos > 0 && work.kind === 'queue') log.info(leftOut(found.besideVideos));
    return undefined;
  }
  if (first === undefined) {
    // The queue says it in its own words.
    if (work.kind === 'queue' && found.empty === undefined) return undefined;
    throw new JobError('usage', `there is no picture in ${found.empty ?? 'what was given'}, and no video`, {
      hint: 'they are found by their suffix (jpg, png, webp, tif; mp4, mov, mkv, ...), and not in subfolders',
    });
  }
  refuseVideoOptions(options);
  return { options, found };
}

function optionsOf(work: Work): PicturesOptions {
  switch (work.kind) {
    case 'pictures':
      return work.options;
    case 'queue': {
      const { outDir, ...options } = work.options;
      return { ...options, target: { kind: 'folder', name: outDir } };
    }
    case 'job': {
      const { input, output, ...options } = work.options;
      return { ...options, inputs: [input], list: undefined, target: { kind: 'table', name: output } };
    }
  }
}

function leftOut(count: number): string {
  const what = count === 1 ? '1 picture is' : `${count} pictures are`;
  return `${what} left out: a folder that holds videos is a queue of videos`;
}

function mixed(picture: string, video: string): JobError {
  return new JobError('usage', `${picture} is a picture, and ${video} is or holds a video`, {
    hint: 'process pictures and videos with a command each',
  });
}

function notPictures({ target }: PicturesOptions, video: string): JobError {
  const one =
    target.kind === 'picture'
      ? `OUTPUT is a picture (${displayText(target.name)})`
      : 'OUTPUT is a table of pictures';
  return new JobError('usage', `${one}, and ${video} is or holds a video`, {
    hint: 'the table of a video takes one INPUT, or --out-dir and --format parquet; a video as OUTPUT ends in .mp4, .mov, .mkv or .webm',
  });
}

function usage(message: string): JobError {
  return new JobError('usage', message);
}
