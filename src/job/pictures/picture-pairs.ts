/** Small copies of a few pictures, before and after, for the page of a report. */
import * as fs from 'node:fs/promises';
import { decodePicture } from '../../pictures/decode.js';
import { messageOf } from '../../system/errors.js';
import type { StorageContext } from '../context/storage-context.js';
import { imageBudget, RUN_STILLS, type StillPair, type Stills, spread } from '../report/stills.js';
import type { PictureInput } from './find.js';
import type { PictureWork } from './picture-work.js';
import { outputOf, type PreparedPictures } from './prepare-pictures.js';
import { inputReader } from './read-input.js';

const QUALITY = 80;

/** Returns pairs of pictures that were made; undefined if the output is a table. A failure leaves a note. */
export async function picturePairs(
  { target, pictures }: PreparedPictures,
  { recorded, outputs }: Pick<PictureWork, 'recorded' | 'outputs'>,
  { stopped }: StorageContext,
): Promise<Stills | undefined> {
  if (target.kind !== 'files' || outputs === undefined) return undefined;
  if (target.folder.kind !== 'file')
    return { pairs: [], strip: [], note: 'No pictures are shown: the outputs are in Blob storage.' };
  const reader = inputReader(stopped);
  const made = pictures.filter(({ key }) => recorded.get(key)?.record.error === null);
  const budget = imageBudget(RUN_STILLS.mostBytes);
  const pairs: StillPair[] = [];
  let note: string | undefined;

  async function pairOf(input: PictureInput, path: string): Promise<StillPair> {
    const read = await reader.read(input);
    if ('refused' in read) throw new Error(read.refused);
    return { name: input.name, before: await small(read.bytes), after: await small(await fs.readFile(path)) };
  }

  for (const at of spread(RUN_STILLS.pairs, made.length)) {
    const input = made[at];
    if (input === undefined) continue;
    try {
      const pair = await pairOf(input, outputs.display(outputOf(input, target).name));
      if (budget.fits(pair.before, pair.after)) pairs.push(pair);
    } catch (error) {
      note = `Some pictures could not be shown: ${messageOf(error)}`;
    }
  }
  return { pairs, strip: [], note };
}

/** Returns a small JPEG of a picture. */
async function small(file: Uint8Array): Promise<Buffer> {
  const { samples, size } = await decodePicture(file, undefined);
  const { default: sharp } = await import('sharp');
  return sharp(samples, { raw: { ...size, channels: 3 } })
    .resize(RUN_STILLS.side, RUN_STILLS.side, { fit: 'inside', withoutEnlargement: true })
    .jpeg({ quality: QUALITY })
    .toBuffer();
}
