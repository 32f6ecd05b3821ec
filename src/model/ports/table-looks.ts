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

/** Numbers of a box from end-to-end heads: two corners, score, class; YOLOv7's has the frame's number too. */
const END_TO_END = 6;
const END_TO_END_V7 = 7;
/** Heads with queries, and end-to-end ones, give hundreds of boxes; those with anchors thousands. */
const FEW_BOXES = 1000;

/** Returns what an output of numbers looks like among all of the graph. */
export function tableLooks(end: DeclaredEnd, all: readonly DeclaredEnd[]): Looks {
  const { dims = [], type } = end;
  const detection = detectionOf(all);
  if (end.name === detection?.boxes.name) return detectionLooks(detection);
  if (detection?.others.includes(end.name)) return { what: 'a part of the table of boxes', lines: undefined };
  if (type === 'string' || dims.length < 2) return { what: 'no picture', lines: undefined };
  const boxes = boxesLooks(end, all);
  if (boxes !== undefined) return boxes;
  // No shape distinguishes classes from an embedding.
  return { what: 'numbers, the rows of a table', lines: table({ kind: UNKNOWN }) };
}

/** Returns what the boxes of known heads look like; undefined if it is none. */
function boxesLooks({ dims = [] }: DeclaredEnd, all: readonly DeclaredEnd[]): Looks | undefined {
  const [, rows, width] = dims;
  if (all.length === 1 && dims.length === 2 && typeof dims[0] === 'string' && dims[1] === END_TO_END_V7) {
    const what = 'boxes of YOLOv7 (--end2end), of any number; or the scores of 7 classes: "kind": "classes"';
    return { what, lines: { ...yolo('yolov7'), rows: UNKNOWN } };
  }
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

interface Detection {
  readonly boxes: DeclaredEnd;
  /** The names of scores, classes and count, in the order of the head "ssd". */
  readonly others: readonly string[];
}

/** The names of what goes with boxes, in the order of the head "ssd". No shape distinguishes them. */
const PARTS = [/score/i, /class|label/i, /num|count/i];

/** Returns boxes and their scores in outputs of their own, by their names; undefined if there are none. */
function detectionOf(all: readonly DeclaredEnd[]): Detection | undefined {
  const boxes = all.find(
    ({ name, dims = [] }) => /box/i.test(name) && (dims.length === 2 || dims.length === 3),
  );
  const rest = all.filter((end) => end !== boxes && (end.dims?.length ?? 9) < (boxes?.dims?.length ?? 0));
  const others = PARTS.flatMap((part) => rest.find(({ name }) => part.test(name))?.name ?? []);
  return boxes !== undefined && PARTS[0]?.test(others[0] ?? '') ? { boxes, others } : undefined;
}

function detectionLooks({ boxes, others }: Detection): Looks {
  const rows = boxes.dims?.at(-2);
  const decode = { kind: 'boxes', head: 'ssd', order: UNKNOWN, units: UNKNOWN };
  const most = typeof rows === 'string' ? { rows: UNKNOWN } : {};
  return {
    what: `boxes${typeof rows === 'string' ? ' of any number' : ''}, with scores in an output of their own`,
    lines: { role: 'table', with: others, ...most, decode },
  };
}

/** Returns the outputs that go with another one in its table. */
export function partsOf(looks: Iterable<Looks>): readonly string[] {
  return [...looks].flatMap(({ lines }) => (Array.isArray(lines?.with) ? (lines.with as string[]) : []));
}

function yolo(head: string): NonNullable<Looks['lines']> {
  return table({ kind: 'boxes', head });
}

/** Returns whether the kind of table that an end becomes is told. */
export function isDecoded({ decode }: NonNullable<Looks['lines']>): boolean {
  return typeof decode === 'object' && decode !== null && 'head' in decode;
}

function table(decode: Readonly<Record<string, unknown>>): NonNullable<Looks['lines']> {
  return { role: 'table', decode };
}
