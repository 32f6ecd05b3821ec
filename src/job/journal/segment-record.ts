/** The record of a finished segment in the journal, and its text. */
import { isPlainObject } from '../../system/plain-object.js';
import { isPictureRecords, type PictureRecord } from './picture-record.js';
import { unseal } from './sealed.js';

/**
 * The record of a finished segment: its frames in presentation order, PTS in ticks of the source's time base.
 */
export interface SegmentRecord {
  readonly index: number;
  readonly frames: number;
  /** Bytes of its video; 0 if it has none. */
  readonly bytes: number;
  readonly pts: readonly number[];
  /** The numbers of its frames in the video, from 0, if only some of the video were taken. */
  readonly numbers?: readonly number[];
  /** Its frames, from 0, for which the model gave NaN or infinity; absent if there are none. */
  readonly nonFinite?: readonly number[];
  /** SHA-256 of its video, in hexadecimal. Records of early versions have none. */
  readonly sha256?: string;
  /** Its videos of further pictures, if it has any. */
  readonly further?: readonly HeldFile[];
  /** Its rows of a table, if it has any. */
  readonly rows?: HeldFile;
  /** The pictures that it is, in a job of pictures. */
  readonly pictures?: readonly PictureRecord[];
}

/** A file of a segment, as it was recorded. */
export interface HeldFile {
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * A part of a segment: its rows of a table, or the number of one of its videos, of which 0 is the main one.
 */
export type SegmentPart = 'rows' | number;

/** Returns the SHA-256 of a part of a segment, as it was recorded; undefined if it has no such part. */
export function digestOf(
  { sha256, further, rows }: Pick<SegmentRecord, 'sha256' | 'further' | 'rows'>,
  part: SegmentPart,
): string | undefined {
  if (part === 'rows') return rows?.sha256;
  return part === 0 ? sha256 : further?.[part - 1]?.sha256;
}

/** Parses the record of a segment; undefined if it is damaged. */
export function parseRecord(text: string): SegmentRecord | undefined {
  const { index, pts, frames, bytes, numbers, sha256, nonFinite, further, rows, pictures } =
    unseal(text) ?? {};
  const isWhole =
    isInteger(index) &&
    isIntegers(pts) &&
    pts.length === frames &&
    pts.every((time, at) => at === 0 || time > (pts[at - 1] ?? 0)) &&
    isInteger(bytes) &&
    (numbers === undefined || (isIntegers(numbers) && numbers.length === frames)) &&
    (nonFinite === undefined || isIntegers(nonFinite)) &&
    (sha256 === undefined || typeof sha256 === 'string') &&
    (further === undefined || areFiles(further)) &&
    (rows === undefined || isFile(rows)) &&
    (pictures === undefined || isPictureRecords(pictures));
  if (!isWhole) return undefined;
  return {
    ...{ index, frames, bytes, pts },
    ...(numbers === undefined ? {} : { numbers }),
    ...(nonFinite === undefined ? {} : { nonFinite }),
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(further === undefined ? {} : { further: further.map(heldFile) }),
    ...(rows === undefined ? {} : { rows: heldFile(rows) }),
    ...(pictures === undefined ? {} : { pictures }),
  };
}

function isFile(value: unknown): value is HeldFile {
  return isPlainObject(value) && isInteger(value.bytes) && typeof value.sha256 === 'string';
}

function areFiles(value: unknown): value is readonly HeldFile[] {
  return Array.isArray(value) && value.every(isFile);
}

/** Returns the known keys of a file. */
function heldFile({ bytes, sha256 }: HeldFile): HeldFile {
  return { bytes, sha256 };
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isIntegers(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every(isInteger);
}
