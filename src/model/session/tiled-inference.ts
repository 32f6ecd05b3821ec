/** Runs a graph for tiles on whole frames: cuts them up, and joins the results. */
import type { NativeSession } from '../../system/native.js';
import {
  chromaSize,
  type FrameLayout,
  frameSamples,
  type Samples,
  samplesOf,
} from '../../video/formats/frame-format.js';
import { reflection } from '../compose/i420-ends.js';
import type { TilePlan, TileSpan } from '../compose/tile-plan.js';
import { allocateBuffer } from './session-errors.js';

/** The frames of a batch, and their rows of the result. */
export interface TiledFrames {
  readonly batch: number;
  readonly frameBytes: number;
  readonly styledBytes: number;
}

/** Memory for a tile of each frame of a batch, and for a row of joined tiles of each. */
interface Memory {
  readonly input: Uint8Array;
  readonly output: Uint8Array;
  readonly strips: readonly Samples[];
}

/**
 * Returns the inference of a session for tiles. A run takes one tile of every frame of a batch. Its own
 * memory is allocated by the first run.
 */
export function tiledInferenceOf(session: NativeSession, plan: TilePlan, frames: TiledFrames) {
  const { source, tile, scale, tileBytes, resultBytes, rows, columns } = plan;
  const { batch, frameBytes, styledBytes } = frames;
  const { sample } = source;
  const strip = { width: source.width * scale, height: tile.height * scale, sample };
  const result = { ...strip, height: source.height * scale };
  const cut = cutter(plan);
  const joinColumns = joiner(
    { ...tile, width: tile.width * scale, height: strip.height },
    strip,
    scale,
    'across',
  );
  const joinRows = joiner(strip, result, scale, 'down');
  const samples = (bytes: Uint8Array, at: number, size: number): Samples =>
    samplesOf(bytes.subarray(at * size, (at + 1) * size), sample);
  let memory: Memory | undefined;

  const open = (): Memory => ({
    input: allocateBuffer(batch * tileBytes, session),
    output: allocateBuffer(batch * resultBytes, session),
    strips: Array.from({ length: batch }, () =>
      samplesOf(new Uint8Array(frameSamples(strip) * sample.bytesPerSample), sample),
    ),
  });

  return {
    async *run(
      shard: Uint8Array,
      styled: Uint8Array,
      count: number,
    ): AsyncGenerator<number, void, undefined> {
      memory ??= open();
      const { input, output, strips } = memory;
      for (let at = 0; at < count; at += batch) {
        const own = strips.slice(0, count - at);
        const rowOf = (place: number): Samples => samples(styled, at + place, styledBytes);
        for (const [down, row] of rows.entries()) {
          for (const [across, column] of columns.entries()) {
            // What fills a batch up is cut, too: its results count for nothing.
            for (let place = 0; place < batch; place += 1)
              cut(samples(shard, at + place, frameBytes), samples(input, place, tileBytes), column, row);
            await session.run([input], [output]);
            for (const [place, joined] of own.entries()) {
              const made = samples(output, place, resultBytes);
              joinColumns(made, joined, column);
              keepCheck(made, rowOf(place), down === 0 && across === 0);
            }
          }
          for (const [place, joined] of own.entries()) joinRows(joined, rowOf(place), row);
        }
        yield own.length;
      }
    },
  };
}

/** The last sample of a row is 0 if a number was not finite. A frame's is, if one of its tiles' is. */
function keepCheck(made: Samples, row: Samples, isFirst: boolean): void {
  const check = made.at(-1) ?? 0;
  row[row.length - 1] = isFirst ? check : Math.min(check, row.at(-1) ?? 0);
}

/** A plane of a frame: its samples from `offset` on. `halved`: how often its sides are. */
interface Plane {
  readonly offset: number;
  readonly width: number;
  readonly height: number;
  readonly halved: { readonly x: number; readonly y: number };
}

function planesOf(layout: FrameLayout): readonly Plane[] {
  const { width, height, sample } = layout;
  const chroma = { ...chromaSize(layout), halved: sample.chromaShift };
  const luma = width * height;
  return [
    { width, height, offset: 0, halved: { x: 0, y: 0 } },
    { ...chroma, offset: luma },
    { ...chroma, offset: luma + chroma.width * chroma.height },
  ];
}

/** Returns what copies a tile out of a frame. Beyond its edges samples are reflected, as in `compose`. */
function cutter({ source, tile, columns, rows }: TilePlan) {
  const [from, to] = [planesOf(source), planesOf(tile)];
  const end = (spans: readonly TileSpan[], side: number): number => (spans.at(-1)?.start ?? 0) + side;
  const area = { width: end(columns, tile.width), height: end(rows, tile.height) };
  const places = from.map(({ width, height, halved }) => ({
    across: [...Array(width).keys(), ...reflection(width, Math.max(0, (area.width >> halved.x) - width))],
    down: [...Array(height).keys(), ...reflection(height, Math.max(0, (area.height >> halved.y) - height))],
  }));
  return (frame: Samples, into: Samples, column: TileSpan, row: TileSpan): void => {
    for (const [index, plane] of from.entries()) {
      const { width = 0, height = 0, offset = 0 } = to[index] ?? {};
      const { across = [], down = [] } = places[index] ?? {};
      const [left, top] = [column.start >> plane.halved.x, row.start >> plane.halved.y];
      const inside = Math.min(width, plane.width - left);
      for (let y = 0; y < height; y += 1) {
        const line = plane.offset + (down[top + y] ?? 0) * plane.width;
        const start = offset + y * width;
        into.set(frame.subarray(line + left, line + left + inside), start);
        for (let x = inside; x < width; x += 1) into[start + x] = frame[line + (across[left + x] ?? 0)] ?? 0;
      }
    }
  };
}

/**
 * Returns what joins parts of one size in the other: tiles in a strip, or strips in a frame. Where a part
 * is mixed with the one before, its weight grows from sample to sample.
 */
function joiner(part: FrameLayout, whole: FrameLayout, scale: number, along: 'across' | 'down') {
  const [from, to] = [planesOf(part), planesOf(whole)];
  return (made: Samples, into: Samples, span: TileSpan): void => {
    for (const [index, plane] of to.entries()) {
      const own = from[index] ?? plane;
      const halved = along === 'across' ? plane.halved.x : plane.halved.y;
      const at = (pixel: number): number => Math.ceil((pixel * scale) / 2 ** halved);
      const [start, first, solid, end] = [at(span.start), at(span.from), at(span.solid), at(span.to)];
      const weight = (position: number): number => (position - first + 0.5) / (solid - first);
      const lines = along === 'across' ? [0, own.height] : [first, end];
      for (let y = lines[0] ?? 0; y < (lines[1] ?? 0); y += 1) {
        const source = own.offset + (along === 'across' ? y * own.width - start : (y - start) * own.width);
        const target = plane.offset + y * plane.width;
        const [left, right] = along === 'across' ? [first, end] : [0, plane.width];
        const clear = along === 'across' ? solid : y < solid ? right : left;
        for (let x = left; x < clear; x += 1) {
          const [before, here] = [into[target + x] ?? 0, made[source + x] ?? 0];
          into[target + x] = Math.round(before + (here - before) * weight(along === 'across' ? x : y));
        }
        into.set(made.subarray(source + clear, source + right), target + clear);
      }
    }
  };
}
