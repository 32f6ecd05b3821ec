/**
 * `npm run bench`: what a job costs beyond inference and codec, each pair of figures taken in turn, as ratios. Needs an
 * idle machine, and on two cores some forty minutes. Prints a table a part, in Markdown.
 *
 * --runs N       how often each pair is taken; default 5
 * --only PART    networks, efficiency, ceiling, jpeg-files, scaling, uneven, videos, start-up, memory; may be repeated
 * --model FILE   a style network of full size (RGB, 0..255) with a manifest; default: one with random weights
 * --write        put the tables into docs/performance.md, and the ratios into bench/reference.json
 * --check        compare the ratios with bench/reference.json, and fail where one is worse
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

process.stdout.write(`${machine()}; medians (least to most) of n runs\n`);
const worse: string[] = [];
for (const name of options.only) {
  const part = PARTS[name];
  if (part === undefined)
    throw new Error(`there is no part ${name}; there are ${Object.keys(PARTS).join(', ')}`);
  const began = performance.now();
  const found = await part({ folder, runs: Number(options.runs), model: options.model });
  const minutes = (performance.now() - began) / 60_000;
  process.stdout.write(`\n${name} (${minutes.toFixed(1)} min)\n\n${markdown(found)}`);
  if (options.check) worse.push(...regressions(readReference(), name, found));
  if (options.write) {
    writeFileSync(documentation, withTable(readFileSync(documentation, 'utf8'), name, markdown(found)));
    writeReference(name, found);
  }
}
for (const line of worse) process.stderr.write(`worse: ${line}\n`);
process.exitCode = worse.length > 0 ? 1 : 0;
