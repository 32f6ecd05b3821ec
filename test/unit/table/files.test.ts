/** Tables in files: read back by DuckDB and by the program itself, damaged, and in bounded memory. */
import { readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetMetadata } from 'hyparquet';
import t from 'tap';
import { float32Text } from '../../../src/table/float-text.js';
import {
  type Cell,
  type Column,
  FRAME_COLUMNS,
  frameCells,
  PICTURE_COLUMNS,
  type Row,
} from '../../../src/table/schema.js';
import { verifyTable } from '../../../src/table/verify.js';
import { openTable, type TableFormat, tableFormatOf } from '../../../src/table/write.js';
import { randomNumbers } from '../../fixtures/random.js';

const FORMATS: readonly TableFormat[] = ['parquet', 'json-lines', 'csv'];
const COLUMNS: readonly Column[] = [
  ...FRAME_COLUMNS,
  { name: 'rank', type: 'int32' },
  { name: 'label', type: 'string' },
  { name: 'score', type: 'float32' },
  // Numbers as names come first among an object's keys.
  { name: '495', type: 'float32-list' },
  { name: 'odd, "name"', type: 'float64' },
];
const TEXTS = [
  ...['', 'cat', 'a "quoted" one', 'one, two', 'two\nlines', 'carriage\r\nreturn', '=HYPERLINK("x")'],
  ...['Straße 東京 🦆', ' spaces ', '\ufeffmark', '"', '\t', "o'clock", 'null', '\u2028', '\\n'],
];
const FLOATS = [
  ...[0, -0, 1, -1, 0.1, 1 / 3, 2 ** 24 + 2, 16_777_215, 1e-45, 1.17549435e-38, 3.4028235e38, 1e21, 5e-7],
  ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
].map(Math.fround);
/** The types of `COLUMNS` in DuckDB. */
const DUCK_TYPES = ['BIGINT', 'BIGINT', 'DOUBLE', 'INTEGER', 'VARCHAR', 'FLOAT', 'FLOAT[]', 'DOUBLE'];

function randomRows(seed: number, frames: number): Row[] {
  const random = randomNumbers(seed);
  const below = (most: number): number => Math.floor(random() * most);
  const float = (): number =>
    FLOATS[below(2 * FLOATS.length)] ?? Math.fround((random() - 0.5) * 10 ** below(20));
  return Array.from({ length: frames }, (_, frame) => {
    const time = frameCells({ frame, pts: (frame - 3) * 1001, seconds: ((frame - 3) * 1001) / 30_000 });
    // Every third frame has no rows.
    return Array.from({ length: frame % 3 === 1 ? 0 : below(4) }, (_, at): Row => {
      const list = Float32Array.from({ length: below(5) }, float);
      return [
        ...time,
        at + 1,
        TEXTS[below(TEXTS.length)] ?? '',
        float(),
        list,
        random() < 0.1 ? -0 : random() * 1e9,
      ];
    });
  }).flat();
}

async function write(path: string, format: TableFormat, columns: readonly Column[], rows: readonly Row[]) {
  await using table = await openTable(path, format, columns, { model: 'sha256:12', frames: '3' });
  for (let at = 0; at < rows.length; at += 7) await table.append(rows.slice(at, at + 7));
  return await table.finish();
}

/** Imported by a name that the compiler need not find. */
const duckdb = await import('@duckdb/node-api').catch((error: unknown) => String(error));
const noDuck = typeof duckdb === 'string' ? `DuckDB cannot be loaded here: ${duckdb}` : false;

/** Returns what DuckDB reads: the columns' types, and the rows in the order of the file. */
async function duckRead(
  path: string,
  format: TableFormat,
  types?: readonly string[],
  columns: readonly Column[] = COLUMNS,
) {
  if (typeof duckdb === 'string') throw new Error(duckdb);
  const named = columns.map(({ name }, at) => `'${name}': '${types?.[at]}'`).join(', ');
  const given = types === undefined ? '' : `, columns = {${named}}`;
  const source = {
    parquet: `read_parquet('${path}')`,
    'json-lines': `read_json('${path}', format = 'newline_delimited'${given})`,
    csv: `read_csv('${path}', header = true, allow_quoted_nulls = false${given})`,
  }[format];
  const instance = await duckdb.DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  const read = await connection.runAndReadAll(`select * from ${source}`);
  const found = { names: read.columnNames(), types: read.columnTypes().map(String), rows: read.getRowsJS() };
  connection.closeSync();
  instance.closeSync();
  return found;
}

/** A row as DuckDB's package gives it. Formats of text have no NaN and infinity; U+FEFF goes on the way to us. */
function asRead(row: Row, finiteOnly: boolean): unknown[] {
  const plain = (cell: Cell): unknown => {
    if (cell === null) return null;
    if (typeof cell === 'object') return Array.from<number | bigint, unknown>(cell, plain);
    if (typeof cell === 'string') return cell.replace(/^\ufeff/, '');
    return finiteOnly && typeof cell === 'number' && !Number.isFinite(cell) ? null : cell;
  };
  return row.map(plain);
}

t.test('DuckDB reads what was written', { skip: noDuck }, async (t) => {
  const rows = randomRows(21, 400);
  for (const format of FORMATS) {
    const path = join(t.testdir(), `table.${format}`);
    await verifyTable(path, format, await write(path, format, COLUMNS, rows));
    const found = await duckRead(path, format, format === 'parquet' ? undefined : DUCK_TYPES);
    t.same(
      found.names,
      COLUMNS.map(({ name }) => name),
      format,
    );
    t.same(found.types, DUCK_TYPES, format);
    const expected = rows.map((row) => asRead(row, format !== 'parquet'));
    t.equal(found.rows.length, expected.length, format);
    const at = expected.findIndex((row, index) => !isSame(row, found.rows[index]));
    t.same([at, found.rows[at]], [-1, undefined], `${format}: ${JSON.stringify(rows[at]?.slice(3))}`);
  }
});

t.test('whole numbers and float64 keep every digit, in columns and lists', { skip: noDuck }, async (t) => {
  const columns: readonly Column[] = [
    { name: 'frame', type: 'int64' },
    { name: 'text "1234567890123456789"', type: 'string' },
    ...(['int32', 'int64', 'float64', 'float32'] as const).flatMap((type): readonly Column[] => [
      { name: type, type },
      { name: `${type}s`, type: `${type}-list` },
    ]),
  ];
  const types = [
    ...['BIGINT', 'VARCHAR', 'INTEGER', 'INTEGER[]', 'BIGINT', 'BIGINT[]', 'DOUBLE', 'DOUBLE[]'],
    ...['FLOAT', 'FLOAT[]'],
  ];
  const [small, large] = [
    [0, 1, -1, 2 ** 24 + 1, 2 ** 31 - 1, -(2 ** 31)],
    [0n, -1n, 2n ** 24n + 1n, 2n ** 53n + 1n, -(2n ** 53n) - 1n, 10n ** 15n, 2n ** 63n - 1n, -(2n ** 63n)],
  ];
  const double = [0.1, -0, 1 / 3, 2 ** 53, 1e300, 1e-300, 5e-324, 123456789.12345679, 1e22, 2 ** 63];
  const single = [2 ** 60, 1.5e20, 16777216].map(Math.fround);
  const rows = Array.from(
    { length: 12 },
    (_, at): Row => [
      ...[BigInt(at), `1234567890123456789, ${at}`],
      ...[small[at % small.length] ?? 0, Int32Array.from(small.slice(at % 4))],
      ...[large[at % large.length] ?? 0n, BigInt64Array.from(large.slice(at % 9))],
      ...[double[at % double.length] ?? 0, Float64Array.from(double.slice(at % 5))],
      ...[single[at % single.length] ?? 0, Float32Array.from(single)],
    ],
  );
  for (const format of FORMATS) {
    const path = join(t.testdir(), `table.${format}`);
    await verifyTable(path, format, await write(path, format, columns, rows));
    const found = await duckRead(path, format, format === 'parquet' ? undefined : types, columns);
    t.same(found.types, types, format);
    for (const [at, row] of rows.entries())
      t.ok(isSame(asRead(row, false), found.rows[at]), `${format}, row ${at}`);
  }
  const path = join(t.testdir(), 'a.csv');
  const list: readonly Column[] = [{ name: 'l', type: 'int64-list' }];
  await write(path, 'csv', list, [[BigInt64Array.of(2n ** 63n - 1n, 1n)]]);
  t.equal(readFileSync(path, 'utf8'), 'l\n"[9223372036854775807,1]"\n');
});

/** Equal to the bit, so that -0 is not 0. */
function isSame(a: unknown, b: unknown): boolean {
  if (!Array.isArray(a) || !Array.isArray(b)) return Object.is(a, b);
  return a.length === b.length && a.every((each, at) => isSame(each, b[at]));
}

t.test('DuckDB finds the types of text by itself', { skip: noDuck }, async (t) => {
  const rows = randomRows(22, 60).map((row) => row.with(1, 9n).with(4, 'cat').with(5, 0.5).with(7, 1.5));
  for (const format of ['json-lines', 'csv'] as const) {
    const path = join(t.testdir(), `table.${format}`);
    await write(path, format, COLUMNS, rows);
    const { types } = await duckRead(path, format);
    t.same(types.slice(0, 6), ['BIGINT', 'BIGINT', 'DOUBLE', 'BIGINT', 'VARCHAR', 'DOUBLE'], format);
  }
});

t.test('empty tables', async (t) => {
  for (const format of FORMATS) {
    const path = join(t.testdir(), `empty.${format}`);
    const contents = await write(path, format, COLUMNS, []);
    t.equal(contents.rows, 0);
    await verifyTable(path, format, contents);
    await t.rejects(verifyTable(path, format, { ...contents, rows: 1 }), /it has 0 rows instead of 1/);
    if (noDuck !== false || format === 'json-lines') continue;
    const { names, rows } = await duckRead(path, format, DUCK_TYPES);
    t.same(
      names,
      COLUMNS.map(({ name }) => name),
    );
    t.same(rows, []);
  }
});

t.test('the bytes of text', async (t) => {
  const columns: readonly Column[] = [
    { name: 'frame', type: 'int64' },
    { name: 'label', type: 'string' },
    { name: 'score', type: 'float32' },
    { name: 'list', type: 'float32-list' },
    { name: 'a "b"', type: 'float64' },
  ];
  const rows: Row[] = [
    [0n, '=1+1, "x"\n', Math.fround(0.1), Float32Array.of(1, Number.NaN, 0.3), 1e21],
    [2n, '', Number.NEGATIVE_INFINITY, Float32Array.of(), -0],
  ];
  const folder = t.testdir();
  await write(join(folder, 'a.csv'), 'csv', columns, rows);
  t.equal(
    readFileSync(join(folder, 'a.csv'), 'utf8'),
    'frame,label,score,list,"a ""b"""\n0,"=1+1, ""x""\n",0.1,"[1,null,0.3]",1e+21\n2,"",,"[]",-0.0\n',
  );
  await write(join(folder, 'a.jsonl'), 'json-lines', columns, rows);
  t.equal(
    readFileSync(join(folder, 'a.jsonl'), 'utf8'),
    '{"frame":0,"label":"=1+1, \\"x\\"\\n","score":0.1,"list":[1,null,0.3],"a \\"b\\"":1e+21}\n' +
      '{"frame":2,"label":"","score":null,"list":[],"a \\"b\\"":-0.0}\n',
  );
});

t.test('null is nothing, in every format', { skip: noDuck }, async (t) => {
  const columns: readonly Column[] = [
    ...PICTURE_COLUMNS,
    { name: 'class', type: 'int32', nullable: true },
    { name: 'label', type: 'string', nullable: true },
    { name: 'score', type: 'float32', nullable: true },
    { name: 'list', type: 'float32-list', nullable: true },
  ];
  const rows: Row[] = [
    ['a.jpg', null, 1, '', 0.5, Float32Array.of(1, 2)],
    ['b.jpg', 'it is "damaged", really', null, null, null, null],
    ['c\n.jpg', null, 0, 'cat', Number.NaN, Float32Array.of()],
    ['', '', null, null, null, null],
  ];
  const { DuckDBInstance } = typeof duckdb === 'string' ? { DuckDBInstance: undefined } : duckdb;
  const instance = await DuckDBInstance?.create(':memory:', { threads: '1' });
  const connection = await instance?.connect();
  for (const format of FORMATS) {
    const path = join(t.testdir(), `nulls.${format}`);
    await verifyTable(path, format, await write(path, format, columns, rows));
    const source =
      format === 'csv' ? `read_csv('${path}', allow_quoted_nulls = false)` : `read_json('${path}')`;
    const from = format === 'parquet' ? `'${path}'` : source;
    const read = await connection?.runAndReadAll(`select file, error, class, label, score from ${from}`);
    const asText = format !== 'parquet';
    t.strictSame(
      read?.getRowsJS().map((row) => row.map((cell) => (typeof cell === 'bigint' ? Number(cell) : cell))),
      [
        ['a.jpg', null, 1, '', 0.5],
        ['b.jpg', 'it is "damaged", really', null, null, null],
        ['c\n.jpg', null, 0, 'cat', asText ? null : Number.NaN],
        ['', '', null, null, null],
      ],
      format,
    );
  }
  connection?.closeSync();
  instance?.closeSync();
  const path = join(t.testdir(), 'wrong.csv');
  await t.rejects(
    write(path, 'csv', columns, [[null, null, 1, '', 0.5, Float32Array.of()]]),
    /does not fit the column file/,
  );
});

t.test('what Parquet says about itself', async (t) => {
  const path = join(t.testdir(), 'a.parquet');
  await write(path, 'parquet', COLUMNS, randomRows(23, 20));
  const metadata = parquetMetadata(new Uint8Array(readFileSync(path)).buffer);
  t.same(metadata.key_value_metadata, [
    { key: 'model', value: 'sha256:12' },
    { key: 'frames', value: '3' },
  ]);
  t.match(metadata.created_by, /^framescatter version \d/);
  const elements = metadata.schema.map(({ name, type, repetition_type, logical_type }) =>
    [name, type ?? '-', repetition_type ?? '-', logical_type?.type ?? '-'].join(' '),
  );
  t.same(elements, [
    'root - - -',
    'frame INT64 REQUIRED -',
    'pts INT64 REQUIRED -',
    'seconds DOUBLE REQUIRED -',
    'rank INT32 REQUIRED -',
    'label BYTE_ARRAY REQUIRED STRING',
    'score FLOAT REQUIRED -',
    '495 - REQUIRED LIST',
    'list - REPEATED -',
    'element FLOAT REQUIRED -',
    'odd, "name" DOUBLE REQUIRED -',
  ]);
});

t.test('a file that was changed is found out', async (t) => {
  const rows = randomRows(24, 30);
  for (const format of FORMATS) {
    const folder = t.testdir();
    const path = join(folder, 'table');
    const contents = await write(path, format, COLUMNS, rows);
    const bytes = readFileSync(path);
    const random = randomNumbers(25);
    let found = 0;
    for (let round = 0; round < 60; round += 1) {
      const changed = Buffer.from(bytes);
      const at = Math.floor(random() * bytes.length);
      changed[at] = (changed[at] ?? 0) ^ (1 << Math.floor(random() * 8));
      writeFileSync(path, changed);
      await verifyTable(path, format, contents).catch((error: unknown) => {
        t.match(error, { code: 'output' });
        found += 1;
      });
    }
    // Statistics and names in Parquet's footer, and spellings of a number, are no cells.
    t.ok(found >= (format === 'parquet' ? 20 : 50), `${format}: ${found} of 60`);
    writeFileSync(path, bytes);
    truncateSync(path, bytes.length - 2);
    await t.rejects(verifyTable(path, format, contents), { code: 'output' }, `${format}, cut off`);
    const others = [...rows.slice(1), rows[0] ?? []];
    const other = join(folder, 'other');
    const swapped = await write(
      other,
      format,
      COLUMNS,
      others.map((row, at) => row.with(0, BigInt(at))),
    );
    await t.rejects(verifyTable(other, format, { ...swapped, frames: contents.frames }), /its frames/);
    await t.rejects(verifyTable(other, format, { ...swapped, cells: contents.cells }), /its cells/);
    const renamed = COLUMNS.map((column) => (column.name === 'rank' ? { ...column, name: 'box' } : column));
    await t.rejects(verifyTable(other, format, { ...swapped, columns: renamed }), /its columns are/);
  }
});

t.test('existing files and links stay; an unfinished file goes', async (t) => {
  const folder = t.testdir({ there: 'old' });
  symlinkSync('elsewhere', join(folder, 'link'));
  await t.rejects(openTable(join(folder, 'there'), 'csv', COLUMNS), { code: 'EEXIST' });
  await t.rejects(openTable(join(folder, 'link'), 'csv', COLUMNS), { code: 'EEXIST' });
  t.equal(readFileSync(join(folder, 'there'), 'utf8'), 'old');
  const path = join(folder, 'half');
  {
    await using table = await openTable(path, 'csv', COLUMNS);
    await table.append(randomRows(26, 5));
  }
  t.throws(() => statSync(path), { code: 'ENOENT' });
});

t.test('rows that do not fit are refused', async (t) => {
  await using table = await openTable(join(t.testdir(), 'a.csv'), 'csv', COLUMNS);
  const row: Row = [3n, 0n, 0, 1, 'cat', 0.5, Float32Array.of(1), 0];
  await table.append([row]);
  const wrong: Row[] = [
    [...row, 1],
    row.slice(1),
    row.with(0, 3),
    row.with(0, 2n),
    row.with(1, 2n ** 63n),
    row.with(3, 1.5),
    row.with(3, 2 ** 31),
    row.with(4, 1),
    row.with(5, 0.1),
    row.with(6, 1),
    row.with(6, Float64Array.of(1)),
    row.with(7, '1'),
  ];
  for (const [at, each] of wrong.entries()) await t.rejects(table.append([each]), RangeError, `row ${at}`);
});

t.test('formats by name', async (t) => {
  t.equal(tableFormatOf('a/b.parquet'), 'parquet');
  t.equal(tableFormatOf('B.PARQUET'), 'parquet');
  t.equal(tableFormatOf('a.jsonl'), 'json-lines');
  t.equal(tableFormatOf('a.ndjson'), 'json-lines');
  t.equal(tableFormatOf('a.b.csv'), 'csv');
  for (const name of ['a.json', 'a', '.csv', 'a.csv/b', 'a.mp4']) t.equal(tableFormatOf(name), undefined);
});

t.test('float32 as text', async (t) => {
  const random = randomNumbers(27);
  const bits = new Uint32Array(1);
  const value = new Float32Array(bits.buffer);
  const digits = (text: string): number => text.replace(/e.*/, '').replace(/^-?0*\.?0*|\.|0+$/g, '').length;
  let wrong = 0;
  for (let round = 0; round < 100_000; round += 1) {
    bits[0] = Math.floor(random() * 2 ** 32);
    const [number = 0] = value;
    if (!Number.isFinite(number)) continue;
    const text = float32Text(number);
    const shorter = Number(number.toPrecision(Math.max(1, digits(text) - 1)));
    const isShortest = digits(text) <= 1 || Number.isInteger(number) || Math.fround(shorter) !== number;
    if (!Object.is(Math.fround(Number(text)), number) || !isShortest) wrong += 1;
  }
  t.equal(wrong, 0);
  t.same(
    [0.1, 1e-45, 3.4028235e38, 16_777_216, -0, 1 / 3, 5e-7].map((number) => float32Text(Math.fround(number))),
    ['0.1', '1e-45', '3.4028235e+38', '16777216', '-0.0', '0.33333334', '5e-7'],
  );
});

t.test('rows go to the disk as they come, in groups of bounded size', async (t) => {
  const columns: readonly Column[] = [...FRAME_COLUMNS, { name: 'x', type: 'float32' }];
  for (const format of FORMATS) {
    const path = join(t.testdir(), 'long');
    const table = await openTable(path, format, columns);
    let before = 0;
    for (let frame = 0; frame < 700; frame += 1) {
      const time = frameCells({ frame, pts: frame, seconds: frame / 25 });
      await table.append(Array.from({ length: 100 }, (_, at) => [...time, at]));
      if (frame === 690) before = statSync(path).size;
    }
    const contents = await table.finish();
    t.equal(contents.rows, 70_000);
    t.ok(
      before > statSync(path).size / 2,
      `${format}: ${before} of ${statSync(path).size} bytes near the end`,
    );
    await verifyTable(path, format, contents);
    if (format !== 'parquet') continue;
    t.same(groupsOf(path), [65_536, 4464]);
    if (noDuck === false) t.equal((await duckRead(path, format)).rows.length, 70_000);
  }
});

t.test('long lists are a group each', async (t) => {
  const columns: readonly Column[] = [...FRAME_COLUMNS, { name: 'x', type: 'float32-list' }];
  const list = Float32Array.from({ length: 2 ** 19 }, (_, at) => at / 7);
  const rows = [0, 1, 2].map((frame): Row => [...frameCells({ frame, pts: 0, seconds: 0 }), list]);
  for (const format of FORMATS) {
    const path = join(t.testdir(), 'long');
    await verifyTable(path, format, await write(path, format, columns, rows));
    if (format === 'parquet') t.same(groupsOf(path), [1, 1, 1]);
  }
});

function groupsOf(path: string): readonly number[] {
  const { row_groups } = parquetMetadata(new Uint8Array(readFileSync(path)).buffer);
  return row_groups.map(({ num_rows }) => Number(num_rows));
}
