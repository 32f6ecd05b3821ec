/** Draws a sheet: frames, details and labels. */
import type { Size } from '../../model/load/network.js';
import { UnusablePicture } from '../../pictures/decode.js';
import { encodePicture } from '../../pictures/encode.js';
import type { PictureFormat } from '../../pictures/formats.js';
import {
  drawPicture,
  drawText,
  greyPicture,
  middleOf,
  type RgbPicture,
  resizedTo,
} from '../../pictures/raster.js';
import { JobError } from '../../system/errors.js';
import { layOutSheet, type SheetContent } from './sheet-layout.js';

export interface Sheet {
  readonly size: Size;
  /** Puts a frame in its places. `model` is undefined for the source. */
  put(time: number, model: number | undefined, frame: RgbPicture): Promise<void>;
  /** Returns the file of the sheet. */
  file(format: PictureFormat): Promise<Uint8Array>;
}

/** WebP holds no more. */
const MOST_HEIGHT = 16_000;
const BACKGROUND = 24;
const LETTERS = 235;

/**
 * Opens a sheet.
 *
 * @throws {JobError} usage: when it would be too high.
 */
export function openSheet(content: SheetContent): Sheet {
  const layout = layOutSheet(content);
  const size = { width: layout.width, height: layout.height };
  if (size.height > MOST_HEIGHT) {
    throw new JobError(
      'usage',
      `the sheet would be ${size.height} pixels high, and ${MOST_HEIGHT} are the most`,
      {
        hint: 'give fewer times, models or strengths',
      },
    );
  }
  const sheet = greyPicture(size, BACKGROUND);
  for (const { text, scale, ...corner } of layout.texts) drawText(sheet, text, corner, scale, LETTERS);
  return {
    size,
    async put(time, model, frame) {
      for (const cell of layout.cells) {
        if (cell.time !== time || cell.model !== model) continue;
        drawPicture(
          sheet,
          cell.kind === 'frame' ? await resizedTo(frame, cell) : middleOf(frame, cell),
          cell,
        );
      }
    },
    async file(format) {
      try {
        return await encodePicture(sheet.samples, size, format);
      } catch (error) {
        if (!(error instanceof UnusablePicture)) throw error;
        throw new JobError('output', `the sheet cannot be encoded: ${error.message}`, { cause: error });
      }
    },
  };
}
