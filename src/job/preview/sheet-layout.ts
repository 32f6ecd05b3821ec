/** The places of everything on a sheet. Pure. */
import type { Size } from '../../model/load/network.js';
import { type Corner, LETTER_STEP, LINE_STEP } from '../../pictures/raster.js';

/** What a sheet shows. */
export interface SheetContent {
  /** Size of a frame as it is shown. */
  readonly frame: Size;
  /** The times of its frames, as labels. */
  readonly times: readonly string[];
  readonly models: readonly SheetModel[];
}

interface SheetModel {
  readonly name: string;
  readonly setting: string;
  /** Size of its output over that of the frame. */
  readonly scale: number;
}

/** A line of text on a sheet. */
export interface SheetText extends Corner {
  readonly text: string;
  readonly scale: number;
}

/** A frame on a sheet, or the middle of one in its own size. */
export interface SheetCell extends Corner, Size {
  readonly kind: 'frame' | 'detail';
  /** Number of the time, and of the model: undefined for the source. */
  readonly time: number;
  readonly model: number | undefined;
}

export interface SheetLayout extends Size {
  readonly cells: readonly SheetCell[];
  readonly texts: readonly SheetText[];
}

export const MOST_WIDTH = 2000;
const MOST_CELL_HEIGHT = 720;
/** Labels of small frames have at least this room. */
const LEAST_COLUMN = 108;
const GAP = 8;
/** Models in a line, after the source; more of them go into further lines. */
const MOST_IN_LINE = 7;

/**
 * Lays out a sheet: for each time a line of the source and the models, or several lines of as many each. If
 * frames are made smaller, or a model gives larger ones, the first time is followed by details in full size.
 */
export function layOutSheet({ frame, times, models }: SheetContent): SheetLayout {
  const lines = linesOf(models);
  const columns = 1 + Math.max(...lines.map((line) => line.length));
  const column = Math.floor((MOST_WIDTH - GAP) / columns) - GAP;
  const cell = shrunk(frame, column);
  const width = Math.max(cell.width, Math.min(column, LEAST_COLUMN));
  const captions = captionStyle(models, times, width);
  const hasDetails = cell.width < frame.width || models.some(({ scale }) => scale > 1);
  const cells: SheetCell[] = [];
  const texts: SheetText[] = [];
  let top = GAP;

  const leftOf = (place: number): number => GAP + place * (width + GAP);

  function write(place: number, rows: readonly string[]): void {
    for (const [row, text] of rows.entries()) {
      const { scale, letters } = captions;
      const line = { left: leftOf(place), top: top + row * scale * LINE_STEP, scale };
      texts.push({ ...line, text: shortened(text, letters) });
    }
  }

  function band(kind: SheetCell['kind'], time: number, line: readonly number[]): void {
    const size = kind === 'frame' ? cell : detailSize(frame, cell);
    for (const [place, model] of [undefined, ...line].entries())
      cells.push({ kind, time, model, left: leftOf(place), top, ...size });
    top += size.height + GAP;
  }

  for (const [time, label] of times.entries()) {
    for (const line of lines) {
      write(0, ['source', label]);
      for (const [place, model] of line.entries()) {
        const { name = '', setting = '' } = models[model] ?? {};
        write(place + 1, [name, setting]);
      }
      top += captions.rows * captions.scale * LINE_STEP;
      band('frame', time, line);
      if (time > 0 || !hasDetails) continue;
      write(0, ['detail at full size']);
      top += captions.scale * LINE_STEP;
      band('detail', time, line);
    }
  }
  return { width: GAP + columns * (width + GAP), height: top, cells, texts };
}

/** Returns the numbers of the models of each line, as evenly as can be. */
function linesOf(models: readonly SheetModel[]): readonly (readonly number[])[] {
  const count = Math.max(1, Math.ceil(models.length / MOST_IN_LINE));
  const each = Math.ceil(models.length / count);
  return Array.from({ length: count }, (_, line) => [...models.keys()].slice(line * each, (line + 1) * each));
}

/** Returns the size of a frame in a column of this width. It is never enlarged. */
function shrunk({ width, height }: Size, column: number): Size {
  const factor = Math.min(1, column / width, MOST_CELL_HEIGHT / height);
  return {
    width: Math.max(1, Math.round(width * factor)),
    height: Math.max(1, Math.round(height * factor)),
  };
}

function detailSize(frame: Size, cell: Size): Size {
  return { width: cell.width, height: Math.min(frame.height, cell.height) };
}

/** Returns the size of the captions' letters, how many have room, and the rows of a caption. */
function captionStyle(models: readonly SheetModel[], times: readonly string[], width: number) {
  const texts = ['source', ...times, ...models.flatMap(({ name, setting }) => [name, setting])];
  const longest = Math.max(...texts.map((text) => text.length));
  const scale = longest * 2 * LETTER_STEP <= width ? 2 : 1;
  return { scale, letters: Math.floor(width / (scale * LETTER_STEP)), rows: 2 };
}

function shortened(text: string, letters: number): string {
  return text.length <= letters ? text : `${text.slice(0, Math.max(1, letters - 2))}..`;
}
