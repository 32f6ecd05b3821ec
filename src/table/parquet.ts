/** Apache Parquet: column by column, in groups of rows, compressed by Snappy. */
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { packageVersion } from '../system/package.js';
import { isNumbers } from './numbers.js';
import type { RowEncoder } from './row-encoder.js';
import { type Column, listType, type Row } from './schema.js';

type Schema = ConstructorParameters<typeof ParquetWriter>[0]['schema'];
type ColumnSource = Parameters<ParquetWriter['write']>[0]['columnData'][number];

/** A group is written when it has so many rows, or so many numbers in lists. */
const GROUP_ROWS = 2 ** 16;
const GROUP_NUMBERS = 2 ** 18;

/** Makes the encoder of a table in Parquet. */
export function parquetEncoder(
  columns: readonly Column[],
  metadata: Readonly<Record<string, string>>,
): RowEncoder {
  const bytes = new ByteWriter();
  const writer = new ParquetWriter({
    writer: bytes,
    schema: schemaOf(columns),
    createdBy: `framescatter version ${packageVersion()}`,
    kvMetadata: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  });
  let group: Row[] = [];
  let numbers = 0;
  const writeGroup = (): void => {
    if (group.length > 0) {
      const columnData = columns.map((column, at) => sourceOf(column, group, at));
      writer.write({ columnData, rowGroupSize: group.length });
    }
    group = [];
    numbers = 0;
  };
  // The offsets in the footer count on from what was taken.
  const taken = (): Uint8Array => {
    const view = bytes.getBytes();
    bytes.index = 0;
    return view;
  };
  return {
    add(row) {
      group.push(row);
      for (const cell of row) if (isNumbers(cell)) numbers += cell.length;
      if (group.length < GROUP_ROWS && numbers < GROUP_NUMBERS) return undefined;
      writeGroup();
      return taken();
    },
    end() {
      writeGroup();
      writer.finish();
      return taken();
    },
  };
}

function schemaOf(columns: readonly Column[]): Schema {
  return [{ name: 'root', num_children: columns.length }, ...columns.flatMap(elementsOf)];
}

/** The types of Parquet. */
const TYPES = { int32: 'INT32', int64: 'INT64', float32: 'FLOAT', float64: 'DOUBLE' } as const;

function elementsOf({ name, type, nullable }: Column): Schema {
  const repetition_type = nullable ? 'OPTIONAL' : 'REQUIRED';
  switch (type) {
    case 'int32':
    case 'int64':
    case 'float32':
    case 'float64':
      return [{ name, type: TYPES[type], repetition_type }];
    case 'string':
      return [
        {
          name,
          type: 'BYTE_ARRAY',
          converted_type: 'UTF8',
          logical_type: { type: 'STRING' },
          repetition_type,
        },
      ];
    default:
      return [
        { name, converted_type: 'LIST', logical_type: { type: 'LIST' }, num_children: 1, repetition_type },
        { name: 'list', num_children: 1, repetition_type: 'REPEATED' },
        { name: 'element', type: TYPES[listType(type) ?? 'float32'], repetition_type: 'REQUIRED' },
      ];
  }
}

function sourceOf({ name, type }: Column, rows: readonly Row[], at: number): ColumnSource {
  const data = rows.map((row) => row[at]);
  switch (type) {
    case 'float32':
    case 'float64':
      // The writer's dictionaries would make 0 of -0.
      return { name, data, encoding: 'PLAIN' };
    case 'int32':
    case 'int64':
    case 'string':
      return { name, data };
    default:
      return {
        name,
        data: data.map((list) => list && Array.from<number | bigint>(list as Iterable<number | bigint>)),
        encoding: 'PLAIN',
      };
  }
}
