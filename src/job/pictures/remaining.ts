/** What earlier runs have made of the pictures of a job, and what is left to make. */
import { createHash } from 'node:crypto';
import { OutputExists } from '../../system/errors.js';
import type { PictureRecord, SourceStamp } from '../journal/picture-record.js';
import type { SegmentRecord } from '../journal/segment-record.js';
import type { PictureInput } from './find.js';
import type { PictureOutputs, Presence } from './picture-outputs.js';
import { outputOf, type PreparedPictures } from './prepare-pictures.js';
import type { InputReader } from './read-input.js';

/** A record of a picture, and where its packed rows begin in those of its segment. */
export interface Recorded {
  readonly segment: number;
  readonly rowsAt: number;
  readonly record: PictureRecord;
}

/** A picture to make. */
export interface ToMake {
  readonly input: PictureInput;
  /** True if its output may replace what is there. */
  readonly replace: boolean;
}

export interface Remaining {
  readonly toMake: readonly ToMake[];
  /** Pictures that earlier runs of this job made, by their keys. */
  readonly kept: ReadonlyMap<string, Recorded>;
  /** Pictures whose outputs were there before this job. */
  readonly skipped: number;
}

/** Returns the state of the source that a record is of; undefined if it could not be read. */
export function stampOf(recorded: Recorded | undefined): SourceStamp | undefined {
  return recorded?.record.sha256 === '' ? undefined : recorded?.record.stamp;
}

/** Returns the records of all segments by the pictures' keys; of several the last. */
export function recordsOf(segments: readonly SegmentRecord[]): Map<string, Recorded> {
  const records = new Map<string, Recorded>();
  for (const { index, pictures = [] } of [...segments].sort((a, b) => a.index - b.index)) {
    let rowsAt = 0;
    for (const record of pictures) {
      records.set(record.source, { segment: index, rowsAt, record });
      rowsAt += record.rows?.bytes ?? 0;
    }
  }
  return records;
}

/**
 * Compares the pictures with the records and with the outputs that are there.
 *
 * @throws {OutputExists} when the one output of the job is there and is not to be replaced.
 */
export async function remainingOf(
  { pictures, target, options }: PreparedPictures,
  records: ReadonlyMap<string, Recorded>,
  outputs: PictureOutputs | undefined,
  reader: InputReader,
): Promise<Remaining> {
  const toMake: ToMake[] = [];
  const kept = new Map<string, Recorded>();
  let skipped = 0;
  for (const input of pictures) {
    const recorded = records.get(input.key);
    const usable = recorded !== undefined && (await isUsable(recorded.record, input, options.strict, reader));
    if (target.kind === 'table' || outputs === undefined) {
      if (usable) kept.set(input.key, recorded);
      else toMake.push({ input, replace: false });
      continue;
    }
    const { name } = outputOf(input, target);
    const presence: Presence = await outputs.presence(name, recorded?.record.output ?? null);
    if (presence === 'ours' && usable) kept.set(input.key, recorded);
    else if (presence !== 'other' || options.overwrite)
      toMake.push({ input, replace: presence === 'ours' || options.overwrite });
    else if (target.single !== undefined)
      throw new OutputExists(outputs.display(name)); // it came meanwhile
    else skipped += 1;
  }
  return { toMake, kept, skipped };
}

/** Returns whether a record is of the picture as it is now, and holds what this run would make. */
async function isUsable(
  record: PictureRecord,
  input: PictureInput,
  strict: boolean,
  reader: InputReader,
): Promise<boolean> {
  if (record.error !== null || (strict && !record.finite)) return false;
  const now = await reader.stamp(input);
  if (now === undefined || now.bytes !== record.stamp.bytes) return false;
  return now.changed === record.stamp.changed || isSameContent(record, input, reader);
}

/** Returns whether a file whose time has changed holds the same bytes: it may have been copied. */
async function isSameContent(
  { sha256 }: PictureRecord,
  input: PictureInput,
  reader: InputReader,
): Promise<boolean> {
  if (input.location.kind === 'blob') return false;
  const read = await reader.read(input);
  return 'bytes' in read && createHash('sha256').update(read.bytes).digest('hex') === sha256;
}
