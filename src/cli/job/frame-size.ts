/** The options that say at what size a model gets the frames. */
import type { Argv } from 'yargs';
import type { JobError } from '../../system/errors.js';
import type { SizeRequest } from '../../video/frames/frame-scaling.js';

/** Bounds of a side: 8K video, twice. */
const LEAST_SIDE = 16;
const MOST_SIDE = 16_384;

/** Adds them to a parser. */
export function frameSizeOptions<T>(parser: Argv<T>, group?: string) {
  const own = group === undefined ? {} : { group };
  return parser
    .option('max-size', {
      type: 'string',
      ...own,
      describe:
        'WxH: scale frames that do not fit into this box down, before the model; others stay as they are',
    })
    .option('resize', {
      type: 'string',
      ...own,
      describe: 'WxH: scale all frames to this size before the model; a side may be auto, as in 1280xauto',
    });
}

/**
 * Returns the size that is asked for; undefined if none is.
 *
 * @throws {JobError} usage: when a value is no size, or both are given.
 */
export function sizeRequest(
  { 'max-size': box, resize }: Readonly<Record<'max-size' | 'resize', string | undefined>>,
  usage: (message: string) => JobError,
): SizeRequest | undefined {
  if (box !== undefined && resize !== undefined) throw usage('--max-size and --resize exclude each other');
  if (box !== undefined) {
    const [width, height] = sidesOf(box);
    if (width === undefined || height === undefined)
      throw usage(`--max-size takes WxH, such as 1280x720, ${BOUNDS}, not ${JSON.stringify(box)}`);
    return { kind: 'at most', width, height };
  }
  if (resize === undefined) return undefined;
  const [width, height] = sidesOf(resize);
  if (width === undefined && height === undefined)
    throw usage(`--resize takes WxH, Wxauto or autoxH, ${BOUNDS}, not ${JSON.stringify(resize)}`);
  return { kind: 'exactly', width, height };
}

const BOUNDS = `with sides from ${LEAST_SIDE} to ${MOST_SIDE}`;

/** Returns width and height, of which `auto` is undefined; both are if the text is no size. */
function sidesOf(text: string): readonly [number | undefined, number | undefined] {
  const sides = /^(auto|\d{1,5})x(auto|\d{1,5})$/i.exec(text)?.slice(1) ?? [];
  const [width, height] = sides.map((side) => (/\d/.test(side) ? Number(side) : undefined));
  const fits = (side: number | undefined) => side === undefined || (side >= LEAST_SIDE && side <= MOST_SIDE);
  return fits(width) && fits(height) ? [width, height] : [undefined, undefined];
}
