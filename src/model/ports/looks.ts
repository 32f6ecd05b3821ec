import type { DeclaredEnd, DeclaredEnds } from './ends.js';

/** What an end of a graph looks like, and the manifest lines that would make it so. */
export interface Looks {
  readonly what: string;
  /** The value of the end's key in a manifest; undefined if no role fits. */
  readonly lines: Readonly<Record<string, unknown>> | undefined;
}

/** In place of what no graph tells; a manifest with it is refused. */
export const UNKNOWN = '?';

/** Returns what each input and output looks like, by its name. */
export function looksOf({ inputs, outputs }: DeclaredEnds): ReadonlyMap<string, Looks> {
  const frames = inputs.find(isPicture);
  return new Map([
    ...inputs.map((end): [string, Looks] => [end.name, inputLooks(end, end === frames)]),
    ...outputs.map((end): [string, Looks] => [end.name, outputLooks(end)]),
  ]);
}

function inputLooks(end: DeclaredEnd, isFrames: boolean): Looks {
  const { dims = [] } = end;
  const channels = channelsOf(end);
  if (isFrames) return { what: 'the frames', lines: { role: 'frames', ...imageLines(end) } };
  if (isPicture(end)) return { what: 'a picture', lines: { role: 'constant', picture: 'FILE.jpg' } };
  if (dims.length === 5) return { what: 'several frames, one after another in time', lines: undefined };
  if (dims.length === 4 && channels !== undefined && channels % 3 === 0) {
    const also = channels === 6 ? ', or blocks of I420 ("io": "i420" in format 1)' : '';
    return { what: `${channels / 3} frames, stacked by channels${also}`, lines: undefined };
  }
  const numbers = dims.filter((dim) => typeof dim === 'number').reduce((all, dim) => all * dim, 1);
  if (dims.length <= 2 && numbers === 1) return { what: 'a number', lines: { role: 'constant', value: 0 } };
  return { what: 'a tensor', lines: { role: 'constant', npy: 'FILE.npy' } };
}

function outputLooks(end: DeclaredEnd): Looks {
  if (isPicture(end)) return { what: 'a picture', lines: { role: 'picture', ...imageLines(end) } };
  return { what: 'no picture', lines: undefined };
}

function imageLines(end: DeclaredEnd): Readonly<Record<string, unknown>> {
  const { dims = [], type } = end;
  const [first, last] = [dims[1], dims[3]].map((dim) => dim === 1 || dim === 3);
  return {
    ...(first === last ? { layout: UNKNOWN } : {}),
    ...(channelsOf(end) === 1 ? {} : { channels: UNKNOWN }),
    ...(type === 'uint8' ? {} : { range: UNKNOWN }),
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
