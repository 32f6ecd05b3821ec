/**
 * Jobs of every shape of ports in every manner: 1, 2, 3 and 7 ranks, both splits, both schedules, undisturbed
 * and killed. Each shape must have one value. `--ranks 1,2`, `--shapes boxes,beside`. Prints a line for each
 * job, and counts. Not a tap test: scripts/ports-matrix.sh runs it.
 */
import { rmSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Manner, MOVING_SHAPES, play, SHAPES } from '../fixtures/port-jobs.js';

const ALL = [...SHAPES, ...MOVING_SHAPES];
const { values } = parseArgs({
  options: {
    ranks: { type: 'string', default: '1,2,3,7' },
    shapes: { type: 'string', default: ALL.join() },
  },
});
const shapes = ALL.filter((shape) => values.shapes.split(',').includes(shape));
const manners = values.ranks
  .split(',')
  .flatMap((ranks) =>
    (['frames', 'segments'] as const).flatMap((split) =>
      (['even', 'dynamic'] as const).flatMap((schedule) =>
        [false, true].map((killed): Manner => ({ ranks: Number(ranks), split, schedule, killed })),
      ),
    ),
  );

const folder = await fs.mkdtemp(join(tmpdir(), 'framescatter-ports-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
let [jobs, wrong, failed] = [0, 0, 0];
for (const shape of shapes) {
  let golden: string | undefined;
  for (const manner of manners) {
    const place = await fs.mkdtemp(join(folder, `${shape}-`));
    const { value, complaints } = await play(shape, manner, place);
    await fs.rm(place, { recursive: true });
    golden ??= value;
    jobs += 1;
    if (value !== golden) wrong += 1;
    if (complaints.length > 0) failed += 1;
    const { ranks, split, schedule, killed } = manner;
    const how = `${ranks} ranks, ${split}, ${schedule}, ${killed ? 'killed and resumed' : 'undisturbed'}`;
    const verdict = [value === golden ? 'equal' : 'ANOTHER VALUE', ...complaints].join('; ');
    process.stdout.write(`${shape}, ${how} | ${verdict}\n`);
  }
}
process.stdout.write(`${jobs} jobs: ${wrong} with another value, ${failed} failed\n`);
process.exitCode = jobs > 0 && wrong + failed === 0 ? 0 : 1;
