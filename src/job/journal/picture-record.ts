/** The records of the pictures of a segment, in a job of pictures. Pure. */
import { isPlainObject } from '../../system/plain-object.js';

/** The state of a source by which a later run knows it again. */
export interface SourceStamp {
  readonly bytes: number;
  /** Time of the last change in nanoseconds since 1970, in digits; or the ETag of a blob. */
  readonly changed: string;
}

/** A picture that was made, or could not be. */
export interface PictureRecord {
  /** Its path or address, without a query. */
  readonly source: string;
  readonly stamp: SourceStamp;
  /** SHA-256 of the source; "" if it could not be read. */
  readonly sha256: string;
  /** Why it could not be made; null if it was. */
  readonly error: string | null;
  /** The picture that was made of it; null if there is none. */
  readonly output: { readonly bytes: number; readonly sha256: string } | null;
  /** Its packed rows of a table, and the shapes of the tensors that they are made of; null if it has none. */
  readonly rows: { readonly bytes: number; readonly shapes: readonly (readonly number[])[] } | null;
  /** False if the model gave NaN or infinity. */
  readonly finite: boolean;
}

/** Returns whether a value read from a file is a list of records. */
export function isPictureRecords(value: unknown): value is readonly PictureRecord[] {
  return Array.isArray(value) && value.every(isRecord);
}

/** Returns whether a value is a stamp. */
export function isStamp(value: unknown): value is SourceStamp {
  return isPlainObject(value) && Number.isSafeInteger(value.bytes) && typeof value.changed === 'string';
}

function isRecord(value: unknown): value is PictureRecord {
  if (!isPlainObject(value)) return false;
  const { source, stamp, sha256, error, output, rows, finite } = value;
  return (
    [source, sha256].every((one) => typeof one === 'string') &&
    isStamp(stamp) &&
    (error === null || typeof error === 'string') &&
    typeof finite === 'boolean' &&
    (rows === null || (isPlainObject(rows) && Number.isSafeInteger(rows.bytes) && isShapes(rows.shapes))) &&
    (output === null ||
      (isPlainObject(output) && Number.isSafeInteger(output.bytes) && typeof output.sha256 === 'string'))
  );
}

/** Returns whether a value is a list of shapes of tensors. */
export function isShapes(value: unknown): value is readonly (readonly number[])[] {
  const isShape = (one: unknown) => Array.isArray(one) && one.every((size) => Number.isSafeInteger(size));
  return Array.isArray(value) && value.every(isShape);
}
