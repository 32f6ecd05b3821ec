/** What ranks take of memory in whole jobs, and what a job is told that cannot have enough. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { estimateMemory } from '../../src/job/prepare/memory-estimate.js';
import { compose } from '../../src/model/compose/compose.js';
import { loadModel } from '../../src/model/load/registry.js';
import { workingMemory } from '../../src/model/session/working-memory.js';
import { modelsFolder } from '../../src/system/package.js';
import { channelBlock } from '../../src/system/processor.js';
import { I420 } from '../../src/video/formats/frame-format.js';
import { makeClipAs } from '../fixtures/clips.js';
import { ourLines, runJob } from '../fixtures/job.js';

t.setTimeout(1_800_000);

const [WIDTH, HEIGHT] = [960, 540];
const MIB = 2 ** 20;
const X264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p'];
const still = (frames: number) =>
  makeClipAs(`still-${frames}.mp4`, [
    '-vf',
    `scale=${WIDTH}:${HEIGHT}`,
    '-frames:v',
    String(frames),
    ...X264,
  ]);
const WORDS = ['--preset', 'ultrafast', '--provider', 'cpu', '--threads', '1'];

/** Highest memory of each rank, as the report has it. */
async function peaks(
  folder: string,
  ranks: number,
  frames: number,
  size: string,
): Promise<readonly number[]> {
  const [output, report] = [join(folder, `out-${ranks}-${size}.mp4`), join(folder, `${ranks}-${size}.json`)];
  const words = [
    await still(frames),
    output,
    '--model',
    'wave',
    '--size',
    size,
    '--report',
    report,
    ...WORDS,
  ];
  const { code, stderr } = await runJob(ranks, words);
  if (code !== 0) throw new Error(stderr);
  const facts = JSON.parse(await fs.readFile(report, 'utf8')) as {
    readonly ranks: readonly { readonly peakMemory: number }[];
  };
  return facts.ranks.map(({ peakMemory }) => peakMemory);
}

for (const size of ['fast', 'fine'] as const) {
  t.test(`ranks take what was estimated, and those without a frame next to nothing: ${size}`, async (t) => {
    const model = await loadModel('wave', { folder: modelsFolder(), size });
    const graph = compose(
      model,
      { width: WIDTH, height: HEIGHT, sample: I420, matrix: 'bt709', range: 'limited' },
      1,
    );
    const working = workingMemory(graph.bytes, channelBlock()) ?? 0;
    for (const [ranks, frames] of [
      [1, 3],
      [3, 1],
    ] as const) {
      const estimated = estimateMemory({
        ...{ split: 'frames', schedule: 'even', batch: 1, frames, segmentFrames: 100 },
        ...{ frameBytes: graph.inputBytes, styledBytes: graph.rowBytes, graphBytes: graph.bytes.byteLength },
        ...{ codec: 'h264', preset: 'ultrafast', encoders: 1, encoderThreads: 2 },
        ranks: Array.from({ length: ranks }, (_, rank) => ({
          ...{ working, busy: rank < frames, dryRun: rank < frames },
        })),
      });
      const taken = await peaks(t.testdir(), ranks, frames, size);
      for (const [rank, bytes] of taken.entries()) {
        const ratio = (estimated[rank]?.own ?? 0) / bytes;
        const text = `${(bytes / MIB).toFixed(0)} MiB, estimated at ${ratio.toFixed(2)} of that`;
        t.ok(ratio > 0.7 && ratio < 1.3, `rank ${rank} of ${ranks}: ${text}`);
        if (rank >= frames)
          t.ok(bytes + working < (taken[0] ?? 0) + 30 * MIB, `rank ${rank} has not inferred`);
      }
    }
  });
}

t.test('a job that cannot fit is told so before any frame, with what would', async (t) => {
  const folder = t.testdir();
  const output = join(folder, 'out.mp4');
  const env = { FRAMESCATTER_MAX_MEMORY: String(600 * MIB) };
  const words = [await still(8), output, '--model', 'wave', ...WORDS];
  const { code, stderr } = await runJob(3, words, { env });
  t.equal(code, 1, stderr);
  const lines = ourLines(stderr);
  t.match(
    lines.find((line) => line.includes('error:')),
    /the job needs about \S+ [GM]iB of memory on \S+ \(rank 0 about \d+ MiB.*rank up to \d+ MiB\), and FRAMESCATTER_MAX_MEMORY allows 600 MiB/,
  );
  t.match(lines.at(-1), /what fits: at most 1 rank on /);
  t.same(await fs.readdir(folder), [], 'nothing was begun');
  t.match(await runJob(1, words, { env }), { code: 0 }, 'and that does fit');
});
