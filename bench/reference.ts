/** The committed ratios, and the comparison of a later run with them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../src/system/package.js';
import { type Spread, spread } from './measure.js';
import type { Table } from './table.js';

/** Ratios by part and name. */
export type Reference = Readonly<Record<string, Readonly<Record<string, Spread>>>>;

/**
 * A ratio is worse if its median is below the committed median by this fraction, and below all committed
 * values.
 */
const TOLERANCE = 0.1;
const FILE = join(packageRoot(), 'bench', 'reference.json');

export function readReference(): Reference {
  return JSON.parse(readFileSync(FILE, 'utf8')) as Reference;
}

/** Replaces the committed ratios of a part. */
export function writeReference(part: string, { ratios }: Table): void {
  const rounded = (value: number): number => Math.round(value * 1000) / 1000;
  const spreads = Object.entries(ratios).map(([name, values]) => {
    const { median, least, most } = spread(values);
    return [name, { median: rounded(median), least: rounded(least), most: rounded(most) }] as const;
  });
  const next = { ...readReference(), [part]: Object.fromEntries(spreads) };
  writeFileSync(FILE, `${JSON.stringify(next, null, 2)}\n`);
}

/** Returns one line for each ratio that is worse. A missing ratio is worse; a new one is not. */
export function regressions(reference: Reference, part: string, { ratios }: Table): readonly string[] {
  return Object.entries(reference[part] ?? {}).flatMap(([name, was]) => {
    const values = ratios[name];
    if (values === undefined) return [`${part}: ${name} was not measured`];
    const { median } = spread(values);
    if (median >= Math.min(was.least, was.median * (1 - TOLERANCE))) return [];
    return [`${part}: ${name} is ${median.toFixed(3)}, was ${was.median} (${was.least} to ${was.most})`];
  });
}
