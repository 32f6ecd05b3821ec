/** Frames that are held against flicker: what is, by how much, and what is not. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { compose } from '../../../src/model/compose/compose.js';
import { MODEL_SIZES } from '../../../src/model/load/catalogue.js';
import { loadModel } from '../../../src/model/load/registry.js';
import { toFp16 } from '../../../src/model/passes/fp16.js';
import { int8Graph } from '../../../src/model/session/precision.js';
import { workingMemory } from '../../../src/model/session/working-memory.js';
import { modelsFolder } from '../../../src/system/package.js';
import { I420 } from '../../../src/video/formats/frame-format.js';
import { floats, modelBytes, nearestUpscaler, node } from '../../fixtures/onnx.js';
import { bothWays, fading } from '../../fixtures/state-models.js';
import {
  amplifier,
  greyFrame,
  heldGraph,
  patches,
  type Request,
  type Size,
  shownFrames,
} from '../../fixtures/steady-runs.js';
import { byChannels } from '../../fixtures/window-models.js';

const FORMAT = { width: 96, height: 64, sample: I420, matrix: 'bt601', range: 'full' } as const;
const SIZE = { width: 96, height: 64 };
const GAIN = 10;
const HELD = 0.7;

async function shown(t: Test, frames: readonly Uint8Array[], request: Request = {}, size: Size = SIZE) {
  const graph = await heldGraph(t, amplifier(GAIN), size, { steady: HELD, ...request });
  return shownFrames(graph, frames, request.batch);
}

/** Light that flickers by a level, which the network makes `GAIN` levels. */
const flicker = (frame: number): number => frame % 2;

/** The largest difference of luma where `where` says. */
function apart(
  one: Uint8Array | undefined,
  other: Uint8Array | undefined,
  { width, height }: Size = SIZE,
  where: (x: number, y: number) => boolean = () => true,
): number {
  let most = 0;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      if (where(x, y))
        most = Math.max(most, Math.abs((one?.[y * width + x] ?? 0) - (other?.[y * width + x] ?? 0)));
  return most;
}

/** Luma in which each frame moved from the one before: the mean of what is held and what is new. */
function meanOf(plain: readonly Uint8Array[], move: { readonly down: number; readonly right: number }) {
  const { width, height } = SIZE;
  const held: Float64Array[] = [];
  for (const [at, frame] of plain.entries()) {
    const own = Float64Array.from(frame.subarray(0, width * height));
    const before = held[at - 1];
    if (before !== undefined)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          const [fromX, fromY] = [x - move.right, y - move.down];
          const isInside = fromX >= 0 && fromX < width && fromY >= 0 && fromY < height;
          const place = y * width + x;
          if (isInside)
            own[place] = HELD * (before[fromY * width + fromX] ?? 0) + (1 - HELD) * (own[place] ?? 0);
        }
    held.push(own);
  }
  return held.map((frame) => Uint8Array.from(frame, Math.round));
}

t.test('a still scene is held: the first difference falls to the rest', async (t) => {
  const scene = patches(1, 9);
  const frames = Array.from({ length: 6 }, (_, at) => greyFrame(SIZE, (x, y) => scene(x, y) + flicker(at)));
  const plain = await shown(t, frames, { steady: 0 });
  const held = await shown(t, frames);
  t.ok(apart(plain[0], plain[1]) === GAIN && apart(plain[4], plain[5]) === GAIN, 'it flickers');
  t.same(held[0], plain[0], 'the first frame is new');
  t.ok(Math.abs(apart(held[0], held[1]) - (1 - HELD) * GAIN) <= 1, `${apart(held[0], held[1])} levels`);
  const expected = meanOf(plain, { down: 0, right: 0 });
  for (const [at, frame] of held.entries()) t.ok(apart(frame, expected[at]) <= 1, `frame ${at}`);
  const all = await shown(t, frames, { steady: 1 });
  t.ok(apart(all[0], all[5]) <= 1, 'at 1 nothing flickers');
});

t.test('a scene that moves by whole pixels is held, and what comes in at its borders is new', async (t) => {
  const scene = patches(2, 11);
  for (const move of [
    { down: 2, right: -3 },
    { down: -9, right: 14 },
    { down: 0, right: 33 },
  ]) {
    const frames = Array.from({ length: 4 }, (_, at) =>
      greyFrame(SIZE, (x, y) => scene(x - at * move.right, y - at * move.down) + flicker(at)),
    );
    const plain = await shown(t, frames, { steady: 0 });
    const held = await shown(t, frames);
    const expected = meanOf(plain, move);
    const name = `${move.right} right, ${move.down} down`;
    // Blocks whose past lies half outside need not be found.
    const margin = 16;
    const isInside = (x: number, y: number): boolean =>
      [x - move.right, x].every((one) => one >= margin && one < SIZE.width - margin) &&
      [y - move.down, y].every((one) => one >= margin && one < SIZE.height - margin);
    t.ok(apart(held[1], expected[1], SIZE, isInside) <= 1, name);
    // Nothing else in the frame is like what comes in.
    const varied = patches(2, 110);
    const moved = [0, 1, 2, 3].map((at) =>
      greyFrame(SIZE, (x, y) => varied(x - at * move.right, y - at * move.down)),
    );
    const seen = await shownFrames(await heldGraph(t, amplifier(1), SIZE, { steady: HELD }), moved);
    const isNew = (x: number, y: number): boolean =>
      x < move.right || x >= SIZE.width + move.right || y < move.down || y >= SIZE.height + move.down;
    for (const at of [1, 2, 3]) t.equal(apart(seen[at], moved[at], SIZE, isNew), 0, `${name}: borders`);
  }
});

t.test('light that changes moves nothing', async (t) => {
  // A slope: elsewhere there is the very grey that each place has after the change.
  const frames = [0, 4, 8].map((light) => greyFrame(SIZE, (x, y) => 90 + Math.floor((x + y) / 8) + light));
  const graph = await heldGraph(t, amplifier(1), SIZE, { steady: HELD });
  const held = await shownFrames(graph, frames);
  for (const at of [1, 2])
    t.ok(apart(held[at], frames[at]) <= 4, `${apart(held[at], frames[at])} levels: late, but in its place`);
});

t.test('a cut is not held, with or without a scene cut found', async (t) => {
  const [one, other] = [patches(3, 12), patches(4, 12)];
  const frames = [0, 1, 2, 3].map((at) =>
    greyFrame(SIZE, (x, y) => (at < 2 ? one(x, y) - 25 : other(x, y) + 25) + flicker(at)),
  );
  const doubling = async (request: Request) =>
    shownFrames(await heldGraph(t, amplifier(2), SIZE, request), frames);
  const plain = await doubling({});
  const held = await doubling({ steady: HELD, cutThreshold: 765 });
  t.equal(apart(held[2], plain[2]), 0, 'no cut is found, and all is new');
  t.not(apart(held[1], plain[1]), 0, 'before it something is held');
  t.not(apart(held[3], plain[3]), 0, 'and after it');
  const everywhere = await doubling({ steady: HELD, cutThreshold: 0 });
  for (const [at, frame] of everywhere.entries()) t.same(frame, plain[at], 'where all are cuts all is new');
});

t.test('what passes leaves no trace', async (t) => {
  const scene = patches(5, 9);
  const side = 14;
  const isIn = (x: number, y: number, at: number, more = 0): boolean =>
    x >= 10 + 6 * at - more && x < 10 + 6 * at + side + more && y >= 20 - more && y < 20 + side + more;
  const frames = Array.from({ length: 8 }, (_, at) =>
    greyFrame(SIZE, (x, y) => (isIn(x, y, at) ? 230 : scene(x, y))),
  );
  const held = await shownFrames(await heldGraph(t, amplifier(1), SIZE, { steady: HELD }), frames);
  for (const [at, frame] of held.entries()) {
    // What it uncovers may look like something else that was there, but never like itself.
    t.ok(apart(frame, frames[at]) <= 6, `frame ${at}: ${apart(frame, frames[at])} levels`);
    const isAway = (x: number, y: number): boolean => x < 2 || x >= 32 + 6 * at || y < 12 || y >= 42;
    t.equal(apart(frame, frames[at], SIZE, isAway), 0, `frame ${at}: nothing further away than a block`);
  }
});

t.test('a run begins anew, and batches give the bits of single frames', async (t) => {
  const scene = patches(6, 9);
  const frames = Array.from({ length: 7 }, (_, at) =>
    greyFrame(SIZE, (x, y) => scene(x - 3 * at, y + at) + flicker(at)),
  );
  const plain = await shown(t, frames, { steady: 0 });
  const held = await shown(t, frames);
  t.not(apart(held[4], plain[4]), 0);
  for (const batch of [3, 4]) {
    const graph = await heldGraph(t, amplifier(GAIN), SIZE, { steady: HELD, batch });
    t.equal((graph.every ?? 0) % batch, 0, 'a run has whole batches');
    const found = await shownFrames(graph, frames, batch);
    for (const [at, frame] of found.entries()) t.same(frame, held[at], `frame ${at} in batches of ${batch}`);
  }
  const single = await heldGraph(t, amplifier(GAIN), SIZE, { steady: HELD });
  const anew = await shownFrames(single, frames, 1, 4);
  t.same(anew.slice(0, 4), held.slice(0, 4));
  t.same(anew[4], plain[4], 'the first frame of a run is new');
});

t.test('any size, scale and operator set', async (t) => {
  const size = { width: 63, height: 41 };
  const scene = patches(7, 9);
  const frames = Array.from({ length: 3 }, (_, at) =>
    greyFrame(size, (x, y) => scene(x - 2 * at, y) + flicker(at)),
  );
  const newest = await shown(t, frames, {}, size);
  for (const opset of [7, 9, 10, 11, 13, 18, 21]) {
    const graph = await heldGraph(t, amplifier(GAIN, opset), size, { steady: HELD });
    t.same(await shownFrames(graph, frames), newest, `operator set ${opset}`);
  }
  for (const scale of [2, 3, 4]) {
    const { bytes } = nearestUpscaler(scale);
    const overrides = { range: '0..1', channels: 'rgb', scale, multiple: 1 } as const;
    const request = { overrides, steady: HELD };
    const held = await shownFrames(await heldGraph(t, bytes, size, request), frames);
    const one = await shownFrames(await heldGraph(t, amplifier(1), size, { steady: HELD }), frames);
    const [width, height] = [size.width * scale, size.height * scale];
    for (const [at, frame] of held.entries()) {
      const small = Uint8Array.from(
        { length: width * height },
        (_, place) =>
          one[at]?.[Math.floor(place / width / scale) * size.width + Math.floor((place % width) / scale)] ??
          0,
      );
      t.ok(apart(frame, small, { width, height }) <= 1, `${scale} times, frame ${at}`);
      t.equal(frame.length, graphBytes(width, height));
    }
  }
});

function graphBytes(width: number, height: number): number {
  return width * height + 2 * Math.ceil(width / 2) * Math.ceil(height / 2);
}

t.test('colours go with the luma', async (t) => {
  const frames = Array.from({ length: 3 }, (_, at) => {
    const scene = patches(8, 9);
    const frame = greyFrame(SIZE, (x, y) => scene(x - 4 * at, y) + flicker(at));
    for (let y = 0; y < 32; y++)
      for (let x = 0; x < 48; x++)
        frame[96 * 64 + y * 48 + x] = 128 + (Math.floor((x - 2 * at) / 5) % 2) * 10;
    return frame;
  });
  const held = await shownFrames(await heldGraph(t, amplifier(1), SIZE, { steady: HELD }), frames);
  for (const [at, frame] of held.entries()) {
    let worst = 0;
    for (let y = 8; y < 24; y++)
      for (let x = 16; x < 32; x++) {
        const place = 96 * 64 + y * 48 + x;
        worst = Math.max(worst, Math.abs((frame[place] ?? 0) - (frames[at]?.[place] ?? 0)));
      }
    t.ok(worst <= 1, `frame ${at}: ${worst} levels`);
  }
});

t.test('NaN of one frame does not go on to the next ones', async (t) => {
  const scene = patches(9, 9);
  const frames = Array.from({ length: 4 }, (_, at) =>
    greyFrame(SIZE, (x, y) => (at === 1 && x < 40 ? 20 : scene(x, y))),
  );
  const spoiled = modelBytes({
    nodes: [
      node('Sub', ['x', 'least'], 'above'),
      node('Log', ['above'], 'log'),
      node('Mul', ['log', 'zero'], 'nothing'),
      node('Add', ['x', 'nothing'], 'y'),
    ],
    initializers: [floats('least', [], [50]), floats('zero', [], [0])],
    input: { name: 'x', dims: ['N', 3, 'H', 'W'] },
    output: { name: 'y', dims: ['N', 3, 'H', 'W'] },
  });
  for (const steady of [HELD, 1]) {
    const held = await shownFrames(await heldGraph(t, spoiled, SIZE, { steady }), frames);
    for (const at of [0, 2, 3]) t.ok(apart(held[at], frames[at]) <= 2, `frame ${at} at ${steady}`);
  }
});

t.test('it runs in fp16, and its memory is known', async (t) => {
  const scene = patches(10, 9);
  const frames = Array.from({ length: 3 }, (_, at) =>
    greyFrame(SIZE, (x, y) => scene(x + 5 * at, y) + flicker(at)),
  );
  const graph = await heldGraph(t, amplifier(2), SIZE, { steady: HELD });
  const half = toFp16(graph.bytes);
  if ('refusal' in half) return t.fail(half.refusal);
  const [own, other] = [
    await shownFrames(graph, frames),
    await shownFrames({ ...graph, bytes: half.bytes }, frames),
  ];
  for (const at of own.keys())
    t.ok(apart(own[at], other[at]) <= 2, `frame ${at}: ${apart(own[at], other[at])}`);
  const bytes = workingMemory(graph.bytes, 16);
  t.ok(bytes !== undefined, 'the sizes of all its tensors are known');
  t.equal(graph.stateBytes, 2 * (96 * 64 * (1 + 4 + 4) + 4 * 2 * 48 * 32));
});

t.test('it is a part of the digest, and nothing where it is not asked for', async (t) => {
  const none = await heldGraph(t, amplifier(2), SIZE, {});
  const zero = await heldGraph(t, amplifier(2), SIZE, { steady: 0 });
  t.same(zero.bytes, none.bytes);
  t.equal(none.every, undefined);
  t.equal(none.cuts, undefined);
  t.equal(none.stateBytes, 0);
  t.match(await heldGraph(t, amplifier(2), SIZE, { steady: 0.5 }), {
    every: 48,
    cuts: { threshold: 30, states: true },
  });
  const large = await heldGraph(t, amplifier(2), { width: 3840, height: 2160 }, { steady: 0.5 });
  t.equal(large.every, 12, 'a run of large frames is shorter');
  await t.rejects(heldGraph(t, amplifier(2), SIZE, { steady: 1.1 }), {
    code: 'usage',
    message: /steadiness/,
  });
});

t.test('states of the model itself, and neighbours, go beside it', async (t) => {
  const scene = patches(11, 9);
  const frames = Array.from({ length: 6 }, (_, at) => greyFrame(SIZE, (x, y) => scene(x, y) + flicker(at)));
  for (const [name, { bytes, manifest }] of Object.entries({
    fading: fading({ every: 4 }),
    both: bothWays({ every: 4 }, true),
    window: byChannels('replicate'),
  })) {
    const folder = t.testdir({ 'model.json': JSON.stringify(manifest) });
    writeFileSync(join(folder, 'model.onnx'), bytes);
    const graphOf = async (steady: number) =>
      compose(await loadModel(`${folder}/model.onnx`, { folder, steady }), FORMAT, 1);
    const [plain, steady] = [await graphOf(0), await graphOf(HELD)];
    const [first = new Uint8Array(), last = new Uint8Array()] = [frames[0], frames.at(-1)];
    const { before, after } = plain.window ?? { before: 0, after: 0 };
    const all = [...Array(before).fill(first), ...frames, ...Array(after).fill(last)];
    const [own, held] = [await shownFrames(plain, all), await shownFrames(steady, all)];
    t.equal(own.length, frames.length);
    t.equal(steady.every, plain.every ?? 48, `${name}: one run for all states`);
    t.same(held[0], own[0], `${name}: the first frame is new`);
    t.ok(apart(held[0], held[1]) <= apart(own[0], own[1]), `${name}: the second is held`);
    if (plain.every !== undefined) t.same(held[4], own[4], `${name}: and so is the first of the next run`);
  }
});

t.test('our own styles are held in fp32, fp16 and int8', async (t) => {
  for (const size of MODEL_SIZES) {
    const model = await loadModel('wave', { folder: modelsFolder(), size, steady: HELD });
    const graph = compose(model, { ...FORMAT, width: 66, height: 50 }, 1);
    const half = toFp16(graph.bytes);
    t.notOk('refusal' in half, `${size} in fp16`);
    t.ok(int8Graph(graph, model).length > 0, `${size} in int8`);
    t.not(workingMemory(graph.bytes, 8), undefined, `${size}: the sizes of all tensors are known`);
  }
});
