import { isPlainObject } from '../../system/plain-object.js';

/**
 * The facts that must be equal for a run to reuse the segments of an earlier one: plain values, compared key
 * by key.
 */
export type Identity = Readonly<Record<string, string | number | boolean | null>>;

/** Returns whether a value read from a file is an identity. */
export function isIdentity(value: unknown): value is Identity {
  return isPlainObject(value) && Object.values(value).every((one) => one === null || typeof one !== 'object');
}
