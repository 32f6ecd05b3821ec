/** A command with work for all ranks, and where its outputs go. */
import { basename, join } from 'node:path';
import type { World } from '../../mpi/world.js';
import { formatOfName } from '../../pictures/formats.js';
import { displayText } from '../../storage/location/location.js';
import { isSequence } from '../../storage/location/numbered-names.js';
import { JobError } from '../../system/errors.js';
import { onRoot } from '../collective.js';
import type { JobOptions, PicturesOptions, QueueOptions } from '../context/options.js';
import { inFolder, isFolder, makeFolders, mayBeFolder } from '../output/output-folders.js';

export type Work =
  | { readonly kind: 'job'; readonly options: JobOptions }
  | { readonly kind: 'queue'; readonly options: QueueOptions }
  | { readonly kind: 'pictures'; readonly options: PicturesOptions };

/**
 * Makes the folders that `--mkdir` asks for. Returns the work with an output in OUTPUT where that is a
 * folder: of a picture, it is the folder of the pictures.
 *
 * @throws {RootFailed} when a folder is missing or cannot be made, or the output cannot be named.
 */
export async function settleFolders(world: World, work: Work): Promise<Work> {
  if (work.options.mkdir) await onRoot(world, () => makeFolders(writtenBy(work)));
  if (work.kind !== 'job' || !mayBeFolder(work.options.output)) return work;
  const { input, output, format, ...options } = work.options;
  const found = await onRoot(world, async () => {
    if (!(await isFolder(output))) return false;
    if (isSequence(input)) throw unnamed(input, output);
    inFolder(work.options);
    return true;
  });
  if (!(await world.broadcastValue(found))) return work;
  if (format === undefined && formatOfName(displayText(input)) !== undefined) {
    const target = { kind: 'folder', name: output } as const;
    return { kind: 'pictures', options: { ...options, format, inputs: [input], list: undefined, target } };
  }
  return { kind: 'job', options: inFolder(work.options) };
}

function unnamed(input: string, folder: string): JobError {
  return new JobError(
    'usage',
    `${input} is a sequence of pictures, and OUTPUT a folder: ${displayText(folder)}`,
    {
      hint: `name the output: ${join(folder, basename(input))} for pictures, or a video in that folder`,
    },
  );
}

/** Returns the paths and addresses that a command writes to. */
function writtenBy({ kind, options }: Work): readonly string[] {
  const { report, trace, table, outputs } = options;
  const besides = [report, trace, kind === 'queue' ? undefined : table, ...outputs.values()];
  const own = kind === 'job' ? options.output : kind === 'pictures' ? options.target.name : undefined;
  return [own, ...besides].flatMap((one) => one ?? []);
}
