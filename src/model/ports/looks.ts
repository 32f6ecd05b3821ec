import { type DeclaredEnd, type DeclaredEnds, NAMELESS } from './ends.js';
import { type Looks, tableLooks, UNKNOWN } from './table-looks.js';
import { isWhole } from './tensors.js';
import type { Stack } from './window.js';

/** Returns what each input and output looks like, by its name. */
export function looksOf({ inputs: given, outputs }: DeclaredEnds): ReadonlyMap<string, Looks> {
  const inputs = given.map(inBatch);
  const pictures = inputs.some(isStacked) ? [] : inputs.filter((end) => isPicture(end) && !isNumber(end));
  // A map of one channel beside colours is no frame.
  const frames = pictures.find((end) => channelsOf(end) !== 1) ?? pictures[0];
  const isNext = (end: DeclaredEnd) => frames !== undefined && isOneOf(frames, end);
  const states = new Map(inputs.map((end) => [end, end === frames ? undefined : stateFrom(end, outputs)]));
  const passedOn = new Set(states.values());
  return new Map([
    ...inputs.map((end): [string, Looks] => {
      const from = states.get(end);
      if (end.dims?.length === 5 && outputs.some(({ dims }) => dims?.length === 5))
        return [end.name, chunkLooks(end)];
      return [end.name, from ? stateLooks(from) : inputLooks(end, end === frames, isNext(end))];
    }),
    ...outputs.map((end): [string, Looks] => [
      end.name,
      passedOn.has(end)
        ? { what: 'a state for the next frame', lines: { role: 'state' } }
        : outputLooks(end, outputs, frames ?? inputs[0]),
    ]),
  ]);
}

function stateLooks({ name }: DeclaredEnd): Looks {
  return {
    what: 'a state, of the frame before',
    lines: { role: 'state', from: name, reset: { every: UNKNOWN } },
  };
}

/** Returns the output whose name says that an input takes it: `r1o` for `r1i`, `h_out` for `h_in`. */
function stateFrom(input: DeclaredEnd, outputs: readonly DeclaredEnd[]): DeclaredEnd | undefined {
  const stem = input.name.replace(/^(?:prev|old)_|_(?:in|prev|before)$|(?<=\d)i$|_?input$/i, '');
  return outputs.find(
    ({ name, type, dims }) =>
      stem !== '' &&
      name !== stem &&
      name.replace(/^(?:new|next)_|_(?:out|new|next)$|(?<=\d)o$|_?output$/i, '') === stem &&
      type === input.type &&
      dims?.length === input.dims?.length,
  );
}

/** Returns an input of one image without a batch axis, [3, H, W], as one of a batch. */
function inBatch(end: DeclaredEnd): DeclaredEnd {
  const { dims } = end;
  return dims?.length === 3 && dims[0] === 3 ? { ...end, dims: [1, ...dims] } : end;
}

function inputLooks(end: DeclaredEnd, isFrames: boolean, isNext: boolean): Looks {
  const { dims = [] } = end;
  const channels = channelsOf(end);
  if (isFrames) return { what: 'the frames', lines: { role: 'frames', ...imageLines(end) } };
  if (isNumber(end)) return { what: 'a number', lines: { role: 'constant', value: 0 } };
  if (isPicture(end) && channels === 1)
    return { what: 'a map of one number', lines: { role: 'constant', value: 0 } };
  if (isPicture(end)) {
    return isNext
      ? { what: 'another frame', lines: { role: 'frames', at: UNKNOWN, ...imageLines(end) } }
      : {
          what: 'a picture, or the frame once more ("role": "source")',
          lines: { role: 'constant', picture: 'FILE.jpg' },
        };
  }
  if (dims.length === 5) {
    const count = dims[1];
    const what = typeof count === 'number' ? `${count} frames` : 'several frames';
    return { what: `${what}, stacked by time`, lines: windowLines(count, 'time', end.type) };
  }
  if (dims.length === 4 && channels !== undefined && channels % 3 === 0) {
    const also = channels === 6 ? ', or blocks of I420 ("io": "i420" in format 1)' : '';
    const count = channels / 3;
    return {
      what: `${count} frames, stacked by channels${also}`,
      lines: windowLines(count, 'channels', end.type),
    };
  }
  return { what: 'a tensor', lines: { role: 'constant', npy: 'FILE.npy' } };
}

/** Returns whether an input is a number, for each frame or for all. */
function isNumber({ dims = [], type }: DeclaredEnd): boolean {
  const each = dims.slice(1).reduce<number>((all, dim) => all * (typeof dim === 'number' ? dim : 0), 1);
  return type.startsWith('float') && each === 1 && (dims.length !== 1 || dims[0] === 1);
}

/** Returns whether an input looks like several frames. */
function isStacked(end: DeclaredEnd): boolean {
  const channels = channelsOf(end);
  const { length } = end.dims ?? [];
  return length === 5 || (length === 4 && channels !== undefined && channels > 3 && channels % 3 === 0);
}

/** Returns whether two inputs are numbered: img0 and img1. */
function isOneOf(first: DeclaredEnd, other: DeclaredEnd): boolean {
  const stem = ({ name }: DeclaredEnd) => name.replace(/\d+$/, '');
  return stem(first) === stem(other) && /\d$/.test(first.name) && /\d$/.test(other.name);
}

/** Returns the lines of a window. The graph does not say which of an even number of frames is made. */
function windowLines(
  count: number | string | undefined,
  stack: Stack,
  type: string,
): Readonly<Record<string, unknown>> {
  const side = typeof count === 'number' && count % 2 === 1 ? (count - 1) / 2 : UNKNOWN;
  const window = { before: side, after: side, stack };
  return { role: 'frames', window, channels: UNKNOWN, ...(isWhole(type) ? {} : { range: UNKNOWN }) };
}

/** Returns what frames look like of which the network gives several. */
function chunkLooks({ dims = [], type }: DeclaredEnd): Looks {
  const count = typeof dims[1] === 'number' ? dims[1] : undefined;
  const lines = { role: 'frames', chunk: count ?? UNKNOWN, channels: UNKNOWN };
  return {
    what: `${count ?? 'several'} frames that are made together; or "window" in place of "chunk", if one is taken`,
    lines: isWhole(type) ? lines : { ...lines, range: UNKNOWN },
  };
}

function outputLooks(end: DeclaredEnd, all: readonly DeclaredEnd[], frames?: DeclaredEnd): Looks {
  if (isPicture(end)) return { what: 'a picture', lines: { role: 'picture', ...imageLines(end) } };
  if (end.dims?.length === 5) {
    const first = all.find(({ dims }) => dims?.length === 5) ?? end;
    if (first !== end) return { what: 'several frames, which only one output can give', lines: undefined };
    const range = isWhole(end.type) ? {} : { range: UNKNOWN };
    return { what: 'several frames', lines: { role: 'picture', channels: UNKNOWN, ...range } };
  }
  if (isFlatPicture(end, frames)) {
    const range = isWhole(end.type) ? {} : { range: UNKNOWN };
    return { what: 'a picture of one channel: a matte, mask or depth', lines: { role: 'picture', ...range } };
  }
  return tableLooks(end, all);
}

/**
 * Returns whether an output without an axis of channels, [N, H, W], has the height and width of the frames.
 */
function isFlatPicture({ dims = [] }: DeclaredEnd, frames: DeclaredEnd | undefined): boolean {
  const own = frames?.dims ?? [];
  if (dims.length !== 3 || frames === undefined || own.length !== 4) return false;
  const sides = isChannelCount(own[3]) ? own.slice(1, 3) : own.slice(2);
  return sides.every((side, at) => side === dims[1 + at] && side !== NAMELESS);
}

function isChannelCount(dim: number | string | undefined): boolean {
  return dim === 1 || dim === 3;
}

function imageLines(end: DeclaredEnd): Readonly<Record<string, unknown>> {
  const { dims = [], type } = end;
  const [first, last] = [dims[1], dims[3]].map(isChannelCount);
  return {
    ...(first === last ? { layout: UNKNOWN } : {}),
    ...(channelsOf(end) === 1 ? {} : { channels: UNKNOWN }),
    ...(isWhole(type) ? {} : { range: UNKNOWN }),
  };
}

function channelsOf({ dims = [] }: DeclaredEnd): number | undefined {
  const found = [dims[1], dims[3]].find((dim) => typeof dim === 'number' && dim <= 64);
  return typeof found === 'number' ? found : undefined;
}

/** Returns whether an end may hold images: of 1 or 3 channels, or of an unknown number. */
function isPicture(end: DeclaredEnd): boolean {
  const { dims } = end;
  if (dims === undefined) return true;
  const channels = channelsOf(end);
  return dims.length === 4 && (channels === undefined || channels === 1 || channels === 3);
}
