/** A sequence of pictures as the output: a file for each frame, in a folder. */
import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Announce } from '../../storage/local/publish-file.js';
import { type NumberedNames, numberOfName } from '../../storage/location/numbered-names.js';
import { isTemporary, NO_LINKS, syncFolder, temporaryBeside } from '../../system/durable.js';
import { actionable, JobError, OutputExists } from '../../system/errors.js';
import { codeOf, openRegular, removeFile } from '../../system/own-files.js';
import { openNutFile } from '../../video/formats/nut.js';
import type { TransferContext } from '../context/storage-context.js';
import { checkFolder, type Destination } from './destination.js';
import { type IndexedPicture, readIndex, sha256 } from './sequence-index.js';

/**
 * Opens a sequence as the destination of a job. `isBegun` is true if an earlier run began to put its pictures
 * in place: those are then not in the way. What `publish` gets is an index (`writeIndex`).
 */
export function sequenceDestination(
  path: string,
  names: NumberedNames,
  isBegun: boolean,
  { log }: Pick<TransferContext, 'log'>,
): Destination {
  const { folder } = names;
  return {
    display: path,
    name: path,
    // A folder has no stamp: a later run compares the pictures themselves.
    stamp: async () => null,
    async check(_input, overwrite) {
      await checkFolder(folder);
      const [there] = overwrite || isBegun ? [] : await picturesThere(names);
      if (there !== undefined) throw new OutputExists(join(folder, there));
    },
    async removeCopy(name) {
      if (isTemporary(name)) await removeFile(join(folder, name));
    },
    async publish(index, _labels, overwrite, announce) {
      const written = new Set<string>();
      for (const { path, pictures } of await readIndex(index)) {
        await putSegment(path, pictures, folder, overwrite, announce);
        for (const { name } of pictures) written.add(name);
      }
      const others = (await picturesThere(names)).filter((name) => !written.has(name));
      if (others.length > 0)
        log.warn(
          `${folder} holds ${others.length} more pictures with such names, which are not of this job: ${others[0]}${others.length > 1 ? ', ...' : ''}`,
        );
    },
  };
}

/** Returns the names in the folder that are those of a sequence, in order. */
async function picturesThere(names: NumberedNames): Promise<readonly string[]> {
  const all = await fs.readdir(names.folder);
  return all.filter((name) => numberOfName(names, name) !== undefined).sort();
}

/** Puts the pictures of a segment in place, each whole and read back. */
async function putSegment(
  segment: string,
  pictures: readonly IndexedPicture[],
  folder: string,
  overwrite: boolean,
  announce: Announce,
): Promise<void> {
  const temporary = temporaryBeside(join(folder, 'picture'));
  await announce({ stamp: null, beside: basename(temporary) });
  const file = await openNutFile(segment);
  try {
    let at = 0;
    for await (const { data } of file.packets()) {
      const picture = pictures[at];
      at += 1;
      if (picture === undefined || sha256(data) !== picture.sha256)
        throw new JobError('journal', `${segment} has changed while it was read`, {
          hint: 'run the same command again, which makes it again; if it recurs, check the disk',
        });
      const path = join(folder, picture.name);
      if (await holds(path, picture)) continue;
      await put(data, picture, path, temporary, overwrite);
    }
    await syncFolder(folder);
  } catch (error) {
    throw actionable(error, folder);
  } finally {
    await fs.rm(temporary, { force: true });
  }
}

/** Writes a picture beside its place, reads it back, and puts it there as one act. */
async function put(
  data: Uint8Array,
  picture: IndexedPicture,
  path: string,
  temporary: string,
  overwrite: boolean,
): Promise<void> {
  {
    await using handle = await fs.open(temporary, 'wx');
    await handle.writeFile(data);
    await handle.sync();
  }
  if (!(await holds(temporary, picture)))
    throw new JobError('output', `${path} cannot be written: its bytes read back differ`, {
      hint: 'check the disk, and run the same command again: it only has to put the pictures in place',
    });
  if (overwrite) return fs.rename(temporary, path);
  try {
    await fs.link(temporary, path); // unlike rename, never replaces
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw appeared(path);
    if (!NO_LINKS.includes(codeOf(error))) throw error;
    // Without hard links, a file that appears between these two calls is replaced.
    if ((await fs.lstat(path).catch(() => undefined)) !== undefined) throw appeared(path);
    return fs.rename(temporary, path);
  }
  await fs.unlink(temporary);
}

/** Returns whether a regular file with exactly these bytes is there. */
async function holds(path: string, { bytes, sha256: expected }: IndexedPicture): Promise<boolean> {
  const stats = await fs.lstat(path).catch(() => undefined);
  if (stats?.isFile() !== true || stats.size !== bytes) return false;
  await using handle = await openRegular(path);
  return sha256(await handle.readFile()) === expected;
}

function appeared(path: string): OutputExists {
  return new OutputExists(
    path,
    `${path} is there, and is not the picture of this job`,
    'move it away, or add --overwrite, and run the same command again: it only has to put the pictures in place',
  );
}
