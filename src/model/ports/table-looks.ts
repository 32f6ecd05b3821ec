/** What an output that is no image looks like. */
import type { DeclaredEnd } from './ends.js';

/** What an end of a graph looks like, and the manifest lines that would make it so. */
export interface Looks {
  readonly what: string;
  /** The value of the end's key in a manifest; undefined if no role fits. */
  readonly lines: Readonly<Record<string, unknown>> | undefined;
}

/** In place of what no graph tells; a manifest with it is refused. */
export const UNKNOWN = '?';

/** Numbers of a box from end-to-end heads: two corners, score, class. */
const END_TO_END = 6;
/** Heads with queries, and end-to-end ones, give hundreds of boxes; those with anchors thousands. */
const FEW_BOXES = 1000;

/** Returns what an output of numbers looks like among all of the graph. */
export function tableLooks(end: DeclaredEnd, all: readonly DeclaredEnd[]): Looks {
  const { dims = [], type } = end;
  if (type === 'string' || dims.length < 2) return { what: 'no picture', lines: undefined };
  const boxes = boxesLooks(end, all);
  if (boxes !== undefined) return boxes;
  // No shape distinguishes classes from an embedding.
  return { what: 'numbers, the rows of a table', lines: table({ kind: UNKNOWN }) };
}

/** Returns what the boxes of known heads look like; undefined if it is none. */
function boxesLooks({ dims = [] }: DeclaredEnd, all: readonly DeclaredEnd[]): Looks | undefined {
  const [, rows, width] = dims;
  if (dims.length !== 3) return undefined;
  const isBoxes = (other: DeclaredEnd) =>
    other.dims?.length === 3 && other.dims[1] === rows && other.dims[2] === 4;
  if (width !== 4 && all.length > 1 && all.some(isBoxes))
    return {
      what: 'scores of boxes: of queries, "detr" if they need a softmax and "rtdetr" if a sigmoid',
      lines: table({ kind: 'boxes', head: UNKNOWN }),
    };
  if (all.length > 1 || typeof rows !== 'number' || typeof width !== 'number') return undefined;
  if (rows > width && width === END_TO_END && rows <= FEW_BOXES)
    return { what: 'boxes of an end-to-end YOLO (YOLOv10, YOLO26)', lines: yolo('yolov10') };
  if (rows > width && width > END_TO_END && rows <= FEW_BOXES)
    return { what: 'boxes and scores of queries (RT-DETR of Ultralytics)', lines: yolo('rtdetr') };
  if (rows < width && rows > 4 && width > FEW_BOXES)
    return { what: 'boxes of YOLOv8 or later', lines: yolo('yolov8') };
  return undefined;
}

function yolo(head: string): Looks['lines'] {
  return table({ kind: 'boxes', head });
}

/** Returns whether the kind of table that an end becomes is told. */
export function isDecoded({ decode }: NonNullable<Looks['lines']>): boolean {
  return typeof decode === 'object' && decode !== null && 'head' in decode;
}

function table(decode: Readonly<Record<string, unknown>>): Looks['lines'] {
  return { role: 'table', decode };
}
