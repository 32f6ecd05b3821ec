/** Models with a state, and what stops at scene cuts: right, and the same bits however the work is dealt and resumed. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ffmpegClip } from '../fixtures/clips.js';
import { decodedFrames, decodedSamples, runJob } from '../fixtures/job.js';
import { modelIn } from '../fixtures/model-in.js';
import { KILLED_AT, runUntil } from '../fixtures/port-jobs.js';
import { bothWays, fading, matting, NEW, type StateModel } from '../fixtures/state-models.js';
import { byChannels, byInputs, byTime, WEIGHTS } from '../fixtures/window-models.js';

t.setTimeout(1_800_000);

const [WIDTH, HEIGHT, FRAMES] = [96, 64, 150];
const SIZE = WIDTH * HEIGHT;
const WORDS = ['--codec', 'ffv1', '--provider', 'cpu', '--segment-seconds', '0.7'];
/** First frames of scenes: one of a single frame, one shorter than a window, one at no keyframe. */
const SCENES = [0, 31, 32, 34, 77, 120];

/** Grey, so that no colour leaves the RGB that the networks see. */
function clip(): Promise<string> {
  return ffmpegClip(
    'states.mkv',
    [{ from: { lavfi: `testsrc2=s=${WIDTH}x${HEIGHT}:r=25:d=${FRAMES / 25},hue=s=0` } }],
    [...['-c:v', 'libx264', '-g', '10', '-bf', '2', '-crf', '12', '-pix_fmt', 'yuv420p']],
  );
}

/** The same, with every other scene in negative. */
function scenes(): Promise<string> {
  const odd = SCENES.map((first, at) => ({ first, end: SCENES[at + 1] ?? FRAMES })).filter(
    (_, at) => at % 2 === 1,
  );
  const when = odd.map(({ first, end }) => `between(n,${first},${end - 1})`).join('+');
  return ffmpegClip(
    'scenes.mkv',
    [
      {
        from: {
          lavfi: `testsrc2=s=${WIDTH}x${HEIGHT}:r=25:d=${FRAMES / 25},hue=s=0,lutyuv=y=251-val:enable='${when}'`,
        },
      },
    ],
    [
      ...[
        '-c:v',
        'libx264',
        '-g',
        '10',
        '-bf',
        '2',
        '-crf',
        '4',
        '-sc_threshold',
        '0',
        '-pix_fmt',
        'yuv420p',
      ],
    ],
  );
}

/** All decoded frames: the same whatever segments they lie in. */
function framesOf(path: string): string {
  return decodedFrames(path)
    .map(({ ticks, md5 }) => `${ticks} ${md5}`)
    .join();
}

async function made(t: Test, ranks: number, words: readonly string[]): Promise<string> {
  const { code, stderr } = await runJob(ranks, words);
  t.equal(code, 0, stderr);
  return stderr;
}

/** Returns the luma of a job's output, frame by frame. */
async function lumaOf(t: Test, input: string, model: StateModel, ...more: readonly string[]) {
  const folder = t.testdir();
  const output = join(folder, 'out.mkv');
  await made(t, 0, [input, output, '--model', await modelIn(folder, model), ...WORDS, ...more]);
  const luma = decodedSamples(output, 'luma');
  t.equal(luma.length, FRAMES * SIZE, 'as many frames');
  return luma;
}

/** Black in limited range, the zero of what the networks see. */
const BLACK = 16;

/** Compares luma with that worked out pixel by pixel: half a level is rounding. */
function alike(
  t: Test,
  luma: Uint8Array,
  expected: (frame: number, at: number) => number,
  what: string,
): void {
  let worst = 0;
  for (let frame = 0; frame < FRAMES; frame++)
    for (let at = 0; at < SIZE; at++)
      worst = Math.max(worst, Math.abs(expected(frame, at) - (luma[frame * SIZE + at] ?? 0)));
  t.ok(worst < 0.52, `${what}: ${worst} levels`);
}

/** Returns the mean over time of each pixel, which begins anew at some frames from a value. */
function fadingOf(source: Uint8Array, isFirst: (frame: number) => boolean, first = BLACK): Float64Array {
  const mean = new Float64Array(source.length);
  for (let frame = 0; frame < FRAMES; frame++) {
    for (let at = 0; at < SIZE; at++) {
      const place = frame * SIZE + at;
      const before = isFirst(frame) ? first : (mean[place - SIZE] ?? 0);
      mean[place] = NEW * (source[place] ?? 0) + (1 - NEW) * before;
    }
  }
  return mean;
}

t.test('a state goes from frame to frame, and begins anew where the manifest says', async (t) => {
  const source = decodedSamples(await clip(), 'luma');
  for (const [every, value] of [
    [40, undefined],
    [7, 0.5],
    [1000, 1],
  ] as const) {
    const luma = await lumaOf(t, await clip(), fading({ every }, value));
    const first = BLACK + (235 - BLACK) * (value ?? 0);
    const mean = fadingOf(source, (frame) => frame % every === 0, first);
    alike(t, luma, (frame, at) => mean[frame * SIZE + at] ?? 0, `every ${every}, from ${value ?? 0}`);
  }
});

t.test('states of half size and of one number, of which the file gives no shape', async (t) => {
  const source = decodedSamples(await clip(), 'luma');
  const luma = await lumaOf(t, await clip(), matting({ every: 40 }));
  const half = new Float64Array(source.length);
  for (let place = 0; place < source.length; place++) {
    const [row, column] = [Math.floor((place % SIZE) / WIDTH), place % WIDTH];
    const corner = place - (row % 2) * WIDTH - (column % 2);
    const frame = Math.floor(place / SIZE);
    const before = frame % 40 === 0 ? BLACK : (half[place - SIZE] ?? 0);
    half[place] = NEW * (source[corner] ?? 0) + (1 - NEW) * before;
  }
  alike(
    t,
    luma,
    (frame, at) => ((source[frame * SIZE + at] ?? 0) + (half[frame * SIZE + at] ?? 0)) / 2,
    'matting',
  );
});

t.test('the same bits at any number of ranks, in frames and in segments, stopped or not', async (t) => {
  const folder = t.testdir();
  for (const [name, input, network] of [
    ['fading', await clip(), fading({ every: 8 })],
    ['both', await scenes(), bothWays({ every: 6, cuts: true }, true)],
  ] as const) {
    const model = await modelIn(join(folder, name), network);
    let outputs = 0;
    const words = (...more: readonly string[]): string[] => {
      outputs += 1;
      return [input, join(folder, `${name}-${outputs}.mkv`), '--model', model, ...WORDS, ...more];
    };
    const alone = words();
    await made(t, 0, alone);
    const golden = framesOf(alone[1] ?? '');
    const manners = [
      [3],
      [3, '--split', 'segments'],
      [2, '--schedule', 'dynamic'],
      [7],
      [0, '--split', 'segments'],
      [2, '--split', 'auto'],
    ] as const;
    for (const [ranks, ...more] of manners.slice(0, name === 'both' ? 2 : undefined)) {
      const job = words(...more);
      const stderr = await made(t, ranks, job);
      if (more[1] === 'segments') t.match(stderr, /split into \d+ segments/);
      t.ok(framesOf(job[1] ?? '') === golden, `${name}: ${ranks} ranks ${more.join(' ')}`);
    }
    const killed = [[2], [2, '--split', 'segments'], [0]] as const;
    for (const [ranks, ...more] of killed.slice(0, name === 'both' ? 2 : undefined)) {
      const job = words(...more);
      t.not((await runUntil(KILLED_AT, ranks, job)).code, 0, 'it is killed');
      const stderr = await made(t, more.length > 0 ? 3 : 2 - ranks, job);
      t.match(stderr, /resuming after \d+ frames/);
      t.ok(framesOf(job[1] ?? '') === golden, `${name}: killed on ${ranks} ranks ${more.join(' ')}`);
    }
  }
});

t.test('states and neighbours stop at scene cuts', async (t) => {
  const input = await scenes();
  const source = decodedSamples(input, 'luma');
  const [first, last] = [
    (frame: number) => SCENES.findLast((one) => one <= frame) ?? 0,
    (frame: number) => (SCENES.find((one) => one > frame) ?? FRAMES) - 1,
  ];
  const mean = fadingOf(source, (frame) => frame % 40 === 0 || SCENES.includes(frame));
  const luma = await lumaOf(t, input, fading({ every: 40, cuts: true }));
  alike(t, luma, (frame, at) => mean[frame * SIZE + at] ?? 0, 'a state');

  const mirrored = (from: number, to: number, index: number): number => {
    for (let at = index; ; ) {
      if (from === to) return from;
      if (at >= from && at <= to) return at;
      at = at < from ? 2 * from - at : 2 * to - at;
    }
  };
  for (const edge of ['replicate', 'reflect'] as const) {
    for (const [name, model] of Object.entries({ byChannels, byTime, byInputs })) {
      const { bytes, manifest } = model(edge);
      const inputs = Object.entries(manifest.inputs ?? {}).map(([key, port]) => [
        key,
        { ...port, cuts: true },
      ]);
      const stopping = { bytes, manifest: { ...manifest, inputs: Object.fromEntries(inputs) } };
      const found = await lumaOf(t, input, stopping, '--batch', edge === 'reflect' ? '3' : '1');
      const expected = (frame: number, at: number): number =>
        WEIGHTS.reduce((sum, weight, place) => {
          const [from, to, index] = [first(frame), last(frame), frame - 2 + place];
          const shown = edge === 'reflect' ? mirrored(from, to, index) : Math.min(to, Math.max(from, index));
          return sum + weight * (source[shown * SIZE + at] ?? 0);
        }, 0);
      alike(t, found, expected, `${name}, ${edge}`);
    }
  }
  // A threshold that no two frames reach leaves one scene.
  const whole = await lumaOf(t, input, fading({ every: 40, cuts: true }), '--cut-threshold', '765');
  const one = fadingOf(source, (frame) => frame % 40 === 0);
  alike(t, whole, (frame, at) => one[frame * SIZE + at] ?? 0, 'no cuts');
});

t.test('what does not go with a state is refused in a sentence', async (t) => {
  const input = await clip();
  const folder = t.testdir();
  const { bytes, manifest } = fading({ every: 8 });
  const x = { role: 'frames', channels: 'rgb', range: '0..1' };
  const state = { role: 'state', from: 'y', reset: { every: 8 } };
  const cases: readonly (readonly [object, readonly string[], number, RegExp])[] = [
    [
      { x, before: { role: 'state', from: 'y' } },
      [],
      1,
      /must say where states begin anew: "reset": \{"every": 48\}/,
    ],
    [{ x, before: { ...state, from: 'z' } }, [], 1, /has no output "z"/],
    [{ x, befor: state }, [], 1, /has no input "befor": did you mean before/],
    [
      { x, before: { ...state, reset: { every: 0 } } },
      [],
      1,
      /"inputs.before.reset.every" must be a whole number from 1/,
    ],
    [{ x, before: { ...state, value: [1, 2] } }, [], 1, /cannot be a list of 2 numbers/],
    [{ x: { ...x, cuts: true }, before: state }, [], 1, /"cuts" only where frames have neighbours/],
    [
      { x, before: state },
      ['--batch', '4'],
      1,
      /has a state, which goes from frame to frame: --batch 4 does not apply/,
    ],
    [
      { x, before: state },
      ['--cut-threshold', '9'],
      1,
      /does not stop at scene cuts, so --cut-threshold does not apply/,
    ],
    [{ x, before: state }, ['--input', 'before=1'], 1, /"before" is a state/],
  ];
  for (const [at, [inputs, words, code, message]] of cases.entries()) {
    const path = await modelIn(join(folder, `${at}`), { bytes, manifest: { ...manifest, inputs } });
    const result = await runJob(0, [input, join(folder, 'o.mkv'), '--model', path, ...words]);
    t.equal(result.code, code, result.stderr);
    t.match(result.stderr, message);
  }
  const odd = matting({ every: 8 });
  const wrong = { ...(odd.manifest.inputs ?? {}), r1i: { role: 'state', from: 'r2o', reset: { every: 8 } } };
  const path = await modelIn(join(folder, 'odd'), {
    bytes: odd.bytes,
    manifest: {
      ...odd.manifest,
      inputs: { ...wrong, r2i: { role: 'state', from: 'r1o' } },
      outputs: { y: odd.manifest.outputs && { role: 'picture', channels: 'rgb', range: '0..1' } },
    },
  });
  const { code, stderr } = await runJob(0, [input, join(folder, 'o.mkv'), '--model', path]);
  t.equal(code, 1, stderr);
  t.match(stderr, /the state "r2i" .* goes in as \[1, 1, 1, 1\], and its output "r1o" has \[/);
});
