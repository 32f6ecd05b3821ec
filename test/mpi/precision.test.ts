/** Ranks with different processors agree on what all of them compute in, and the output is the same on any number. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { multipliesInt8 } from '../../src/system/processor.js';
import { makeClip } from '../fixtures/clips.js';
import { decodedSamples } from '../fixtures/job.js';
import { mpirun } from '../fixtures/mpirun.js';
import { psnr } from '../fixtures/picture.js';

const worker = fileURLToPath(new URL('./precision-worker.js', import.meta.url));
const noInt8 = multipliesInt8() ? false : 'this processor has neither VNNI nor AMX';

const ASKED = ['--provider', 'cpu', '--precision', 'int8'];

t.setTimeout(1_800_000);

async function run(t: Test, name: string, abilities: readonly boolean[]) {
  const folder = t.testdir();
  const [output, report] = [join(folder, `${name}.mkv`), join(folder, `${name}.json`)];
  const words = [await makeClip('vfr-mkv'), output, '--codec', 'ffv1', '--report', report, ...ASKED];
  const { code, stderr } = await mpirun(abilities.length, [worker, JSON.stringify(abilities), ...words]);
  if (code !== 0) throw new Error(stderr);
  const { ranks } = JSON.parse(await readFile(report, 'utf8')) as { ranks: { precision: string }[] };
  return { stderr, precisions: ranks.map(({ precision }) => precision), frames: decodedSamples(output) };
}

t.test('a rank without the instructions keeps all of them in fp32', async (t) => {
  const mixed = await run(t, 'mixed', [true, false]);
  t.same(mixed.precisions, ['fp32', 'fp32']);
  t.match(mixed.stderr, /CPUs run the model in fp32, not in int8: rank 1 on .* neither VNNI nor AMX/);
  t.match(mixed.stderr, /2 ranks: 2 x cpu in fp32/);
  const none = await run(t, 'none', [false]);
  t.same(none.precisions, ['fp32']);
  t.ok(Buffer.from(mixed.frames).equals(Buffer.from(none.frames)), 'the same, bit for bit');
});

t.test(
  'with the instructions all compute in int8, alike on any number of ranks',
  { skip: noInt8 },
  async (t) => {
    const one = await run(t, 'one', [true]);
    const three = await run(t, 'three', [true, true, true]);
    t.same([...one.precisions, ...three.precisions], ['int8', 'int8', 'int8', 'int8']);
    t.match(three.stderr, /3 ranks: 3 x cpu in int8/);
    t.ok(Buffer.from(one.frames).equals(Buffer.from(three.frames)), 'the same, bit for bit');
    const full = await run(t, 'full', [false]);
    const found = psnr(one.frames, full.frames);
    t.ok(found >= 40 && found < 90, `${found} dB of fp32`);
  },
);
