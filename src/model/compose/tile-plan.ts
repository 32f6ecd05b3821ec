/** Frames in tiles: which models can be run on them, and where they lie. */
import { type FrameLayout, frameBytes } from '../../video/formats/frame-format.js';
import { isBounded, leastMultiple, type Reach, type Unbounded } from '../graph/reach.js';
import type { LoadedModel } from '../load/loaded-model.js';
import { paddedSize } from './i420-ends.js';

/** A tile along one axis, in pixels of the source frame. All are even, but for the end of a frame. */
export interface TileSpan {
  /** Its first pixel. */
  readonly start: number;
  /** What it gives: from `from` on mixed with the tile before, from `solid` on alone. */
  readonly from: number;
  readonly solid: number;
  readonly to: number;
}

/** How a graph for tiles makes frames. Plain data, which is sent to all ranks. */
export interface TilePlan {
  readonly source: FrameLayout;
  readonly tile: FrameLayout;
  readonly columns: readonly TileSpan[];
  readonly rows: readonly TileSpan[];
  /** Width (and height) of results over that of frames. */
  readonly scale: number;
  /** Bytes of a tile, and of its result with the check byte. */
  readonly tileBytes: number;
  readonly resultBytes: number;
  /** Pixels that neighbours share, at least. */
  readonly shared: number;
  /** True if the result is that of the whole frame. */
  readonly isExact: boolean;
}

/** What the tiles of a model's frames depend on beside their size. */
export interface TileRule {
  /** Sides and starts of tiles are multiples of this. */
  readonly step: number;
  /** Pixels around a pixel that it depends on; undefined: the whole frame, because of `operator`. */
  readonly reach: number | undefined;
  readonly operator: string | undefined;
}

/** Pixels that the conversions between 4:2:0 and the network look around, at most. */
const CHROMA_REACH = 4;
/** Neighbours share this part of the side of tiles that look at whole frames. */
const SHARED_PART = 8;

/** Returns why a model's frames cannot be made in tiles; undefined if they can. */
export function untiled(model: LoadedModel): string | undefined {
  const { io, tables, recurrence, window, several, sources, feeds, pictures, steady, fixedSize } = model;
  if (io.io === 'table' || tables.length > 0) return 'gives a table of whole frames';
  if (steady !== 0) return 'is held against flicker by --steady';
  if (recurrence !== undefined) return 'has a state';
  if (window !== undefined || several !== undefined) return 'takes several frames';
  if (sources !== undefined || feeds.length > 1) return 'has several inputs of frames';
  if (pictures.length > 0) return 'gives several pictures';
  return fixedSize === undefined ? undefined : 'takes frames of one size';
}

/** Returns the rule for tiles of frames, where a model's network looks so far. */
export function tileRule({ multiple }: Pick<LoadedModel, 'multiple'>, looks: Reach | Unbounded): TileRule {
  const even = multiple % 2 === 0 ? multiple : 2 * multiple;
  if (!isBounded(looks)) return { step: even, reach: undefined, operator: looks.operator };
  return { step: leastMultiple(even, looks.stride), reach: looks.pixels + CHROMA_REACH, operator: undefined };
}

/** Returns the least side of a tile: neighbours share at most half of it. */
export function leastTile({ step }: TileRule): number {
  return 2 * step;
}

/**
 * Plans tiles of at most `side` pixels a side. Neighbours share what the model looks at, if that is at most
 * half a tile: then the result is that of the whole frame. Otherwise they share an eighth of a tile, half of
 * which is mixed.
 *
 * @returns undefined if the whole frame is one tile, or the model takes none that are so small.
 */
export function planTiles(
  rule: TileRule,
  { multiple, scale }: Pick<LoadedModel, 'multiple' | 'scale'>,
  source: FrameLayout,
  side: number,
): TilePlan | undefined {
  const { step, reach } = rule;
  const padded = paddedSize(source, multiple);
  const aligned = padded.width % step === 0 && padded.height % step === 0;
  const area = aligned ? padded : paddedSize(padded, step);
  const most = Math.floor(side / step) * step;
  if (most < leastTile(rule) || (area.width <= most && area.height <= most)) return undefined;
  const up = (pixels: number): number => Math.ceil(pixels / step) * step;
  const needed = reach === undefined ? Number.POSITIVE_INFINITY : up(2 * reach);
  const isExact = aligned && needed <= most / 2;
  const shared = isExact ? needed : up(most / SHARED_PART);
  // Half of what is mixed, which is half of what is shared, in whole blocks of 4:2:0.
  const mixed = isExact ? 0 : 2 * Math.floor(shared / 8);
  /** No larger than so many tiles must be. */
  const fitting = (along: number): number => {
    if (along <= most) return along;
    const count = Math.ceil((along - shared) / (most - shared));
    return Math.max(2 * shared, up((along - shared) / count + shared));
  };
  const [width, height] = [fitting(area.width), fitting(area.height)];
  const tile = { width, height, sample: source.sample };
  const result = { ...tile, width: width * scale, height: height * scale };
  return {
    source: { width: source.width, height: source.height, sample: source.sample },
    tile,
    columns: spans(source.width, area.width, width, shared, mixed),
    rows: spans(source.height, area.height, height, shared, mixed),
    scale,
    tileBytes: frameBytes(tile),
    resultBytes: frameBytes(result) + source.sample.bytesPerSample,
    ...{ shared, isExact },
  };
}

/** Places tiles along one axis of a frame, padded to `area`. Two are mixed `mixed` around their middle. */
function spans(side: number, area: number, tile: number, shared: number, mixed: number): readonly TileSpan[] {
  const count = tile === area ? 1 : Math.ceil((area - shared) / (tile - shared));
  const starts = Array.from({ length: count }, (_, at) => Math.min(at * (tile - shared), area - tile));
  /** The middle of what a tile shares with the one before, in whole blocks of 4:2:0. */
  const middle = (at: number): number =>
    2 * Math.floor(((starts[at] ?? 0) + (starts[at - 1] ?? 0) + tile) / 4);
  return starts
    .map((start, at) => ({
      start,
      from: at === 0 ? 0 : middle(at) - mixed,
      solid: at === 0 ? 0 : Math.min(side, middle(at) + mixed),
      to: at + 1 === count ? side : Math.min(side, middle(at + 1) + mixed),
    }))
    .filter(({ from, to }) => from < to);
}
