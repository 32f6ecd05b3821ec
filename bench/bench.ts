/**
 * `npm run bench`: measures the cost of a job beyond inference and codec as ratios. The two sides of a ratio
 * run alternately. Needs an idle machine, and about forty minutes on two cores. Prints one Markdown table per
 * part.
 *
 * --runs N       number of measurements per ratio; default 5
 * --only PART    networks, efficiency, ports, ceiling, jpeg-files, scaling, uneven, videos, start-up, memory
 *                or plan; repeatable
 * --model FILE   a full-size style network (RGB, 0..255) with a manifest; default: one with random weights
 * --write        write the tables to docs/performance.md, and the ratios to bench/reference.json
 * --check        compare the ratios with bench/reference.json, and fail if one is worse
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../src/system/package.js';
import { machine } from './measure.js';
import { PARTS } from './parts.js';
import { readReference, regressions, writeReference } from './reference.js';
import { markdown, withTable } from './table.js';

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    only: { type: 'string', multiple: true, default: Object.keys(PARTS) },
    model: { type: 'string' },
    write: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
  },
});
const documentation = join(packageRoot(), 'docs', 'performance.md');
const folder = mkdtempSync(join(tmpdir(), 'framescatter-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

process.stdout.write(`${machine()}; medians (minimum to maximum) of n runs\n`);
const worse: string[] = [];
for (const name of options.only) {
  const part = PARTS[name];
  if (part === undefined)
    throw new Error(`unknown part ${name}; the parts are ${Object.keys(PARTS).join(', ')}`);
  const start = performance.now();
  const found = await part({ folder, runs: Number(options.runs), model: options.model });
  const minutes = (performance.now() - start) / 60_000;
  process.stdout.write(`\n${name} (${minutes.toFixed(1)} min)\n\n${markdown(found)}`);
  if (options.check) worse.push(...regressions(readReference(), name, found));
  if (options.write) {
    writeFileSync(documentation, withTable(readFileSync(documentation, 'utf8'), name, markdown(found)));
    writeReference(name, found);
  }
}
for (const line of worse) process.stderr.write(`worse: ${line}\n`);
process.exitCode = worse.length > 0 ? 1 : 0;
