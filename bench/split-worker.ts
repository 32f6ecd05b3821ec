// One rank of split-simulation.ts: the real codecs and scheduling of --split segments, with a device that
// sleeps. Arguments: clip, milliseconds per frame, seconds per piece, folder. Rank 0 prints a SplitResult.

import { join } from 'node:path';
import { openJournal } from '../src/job/journal/journal.js';
import type { PreparedJob } from '../src/job/prepare/prepare.js';
import { openPieceWork } from '../src/job/split/piece-work.js';
import type { OpenedWork } from '../src/job/split/root-work.js';
import { runSegments } from '../src/job/split/segment-run.js';
import { joinWorld } from '../src/mpi/world.js';
import { createLog } from '../src/report/log.js';
import { openLocalStore } from '../src/storage/local/work-store.js';
import { isRefusal } from '../src/system/refusal.js';
import { openScratch } from '../src/system/scratch.js';
import { NO_MONITOR } from '../src/telemetry/metrics.js';
import { containerFor } from '../src/video/formats/container.js';
import { frameBytes, I420 } from '../src/video/formats/frame-format.js';
import { wirePlan } from '../src/video/frames/wire.js';
import { probe } from '../src/video/source/probe.js';
import { planCut } from '../src/video/split/cut.js';
import { startWatchdog } from '../src/watchdog/watchdog.js';
import { copyFrame, sleepingSession } from '../test/fixtures/sleeping-session.js';

/** The result of one run. */
export interface SplitResult {
  readonly frames: number;
  readonly pieces: number;
  readonly seconds: number;
  /** The frames of each rank. */
  readonly ranks: readonly number[];
}

const [clip = '', milliseconds = '100', pieceSeconds = '4', folder = ''] = process.argv.slice(2);
const world = await joinWorld();
const log = createLog('text', 'quiet');
const watchdog = startWatchdog(world, log, 0);
const context = { log, scratch: openScratch(), stopped: new AbortController().signal };
const source = await probe(clip);
const { width, height, averageRate } = source.video;
const rate = averageRate ?? { num: 25, den: 1 };
const bytes = frameBytes({ width, height, sample: I420 });
const session = await sleepingSession(1, bytes, Number(milliseconds), copyFrame);
const shape = { batch: 1, share: 1, schedule: 'even', frameBytes: bytes, styledBytes: bytes + 1 } as const;

async function openRoot() {
  const wire = wirePlan(source.video, containerFor('x.mp4', undefined));
  const frames = Math.round((Number(pieceSeconds) * rate.num) / rate.den);
  const plan = await planCut(source, { frames, bytes: 2 ** 26, mostBytes: 2 ** 30 }, folder);
  if (isRefusal(plan)) throw new Error(plan.refusal);
  const spec = {
    ...{
      codec: 'h264',
      crf: 23,
      preset: 'ultrafast',
      pixelFormat: 'yuv420p',
      width,
      height,
      sample: I420,
      rate,
    },
    ...{ keyframeInterval: 250, tags: wire.tags, sampleAspectRatio: undefined },
    ...{ threads: 1, picturesAtOnce: 1 },
  } as const;
  const prepared = { source, wire, spec, input: { path: clip, display: clip } } as unknown as PreparedJob;
  const journal = await openJournal(
    await openLocalStore(join(folder, 'work')),
    { split: 'segments' },
    spec,
    {},
  );
  const hardware = { nvdec: false, nvenc: false, encoder: 'software', notes: [] };
  const rest = { monitor: NO_MONITOR, storage: context, device: 0, strict: false };
  const opened: OpenedWork = { journal, ...rest, hardware };
  return openPieceWork(prepared, plan, opened);
}

const work = world.isRoot ? await openRoot() : undefined;
await world.broadcastValue(0);
const start = performance.now();
const mine = await runSegments(
  { world, watchdog, log, options: { trace: undefined } },
  [session],
  shape,
  context,
  work,
);
const seconds = (performance.now() - start) / 1000;
const ranks = await world.collect(mine.frames);
if (work !== undefined && ranks !== undefined) {
  const segments = await work.finish();
  const frames = segments.reduce((sum, segment) => sum + segment.frames, 0);
  const result: SplitResult = { frames, pieces: segments.length, seconds, ranks };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
await context.scratch[Symbol.asyncDispose]();
await session.dispose();
await watchdog.stop();
await world.finalize();
