/** What the benchmark's own arithmetic rests on; the figures themselves need an idle machine. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { perFrame } from '../../../bench/job.js';
import { spread, spreadText } from '../../../bench/measure.js';
import { PARTS } from '../../../bench/parts.js';
import { readReference, regressions } from '../../../bench/reference.js';
import { markdown, table, withTable } from '../../../bench/table.js';
import { packageRoot } from '../../../src/system/package.js';

t.test('medians and spreads', (t) => {
  t.same(spread([3, 1, 2]), { median: 2, least: 1, most: 3 });
  t.same(spread([4, 1, 2, 3]), { median: 2.5, least: 1, most: 4 });
  t.equal(spreadText([1, 2, 3], 1), '2.0 (1.0 to 3.0)');
  t.equal(spreadText([0.5]), '0.50');
  const [short, long] = [
    { seconds: 3, cpuSeconds: 4 },
    { seconds: 8, cpuSeconds: 14 },
  ];
  t.same(perFrame(short, long, 10), { seconds: 0.5, cpuSeconds: 1 });
  t.end();
});

t.test('a table is put between its marks, and nowhere else', (t) => {
  const found = table(['what', 'ratio', 'n']);
  found.ratio('a', ['job'], [0.9, 0.8, 1]);
  found.row(['no', 'ratio', '']);
  const text = markdown(found.done());
  t.equal(
    text,
    '| what | ratio | n |\n| --- | --- | --- |\n| job | 0.900 (0.800 to 1.000) | 3 |\n| no | ratio |  |\n',
  );
  const page = 'x\n<!-- bench other -->\nold\n<!-- end -->\n<!-- bench one -->\nold\n<!-- end -->\ny\n';
  const once = withTable(page, 'one', text);
  t.equal(once, page.replace('one -->\nold\n', `one -->\n\n${text}\n`));
  t.equal(withTable(once, 'one', text), once, 'again gives the same');
  t.throws(() => withTable(page, 'none', text), /no place/);
  t.end();
});

t.test('a regression is a median below both tolerance and all that was seen', (t) => {
  const reference = {
    part: { steady: { median: 0.9, least: 0.85, most: 1 }, wild: { median: 1, least: 0.5, most: 2 } },
  };
  const worse = (steady: number[], wild: number[]) =>
    regressions(reference, 'part', { columns: [], rows: [], ratios: { steady, wild } });
  t.same(worse([0.82], [0.51]), [], 'within a tenth, or within what was seen');
  t.match(worse([0.8], [0.6]), [/^part: steady is 0\.800, was 0\.9 \(0\.85 to 1\)$/]);
  t.match(worse([2], [0.4, 0.49, 3]), [/wild is 0\.490/]);
  t.match(regressions(reference, 'part', { columns: [], rows: [], ratios: { steady: [1] } }), [
    /wild was not measured/,
  ]);
  t.same(regressions(reference, 'new', { columns: [], rows: [], ratios: { x: [1] } }), []);
  t.end();
});

t.test('every part has its place in the documentation, and every committed ratio its part', (t) => {
  const page = readFileSync(join(packageRoot(), 'docs', 'performance.md'), 'utf8');
  for (const name of Object.keys(PARTS)) t.doesNotThrow(() => withTable(page, name, ''), name);
  for (const name of Object.keys(readReference())) t.ok(Object.hasOwn(PARTS, name), name);
  t.end();
});
