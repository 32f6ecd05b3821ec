import { createHash } from 'node:crypto';
import { isPlainObject } from '../../system/plain-object.js';

/** Returns `value` as JSON with a digest of itself, by which `unseal` detects any change. */
export function seal(value: object): string {
  return `${JSON.stringify({ ...value, digest: digestOf(value) })}\n`;
}

/**
 * Returns the object in `text`, without its digest; undefined if there is none, or the digest is wrong. Text
 * of early versions has no digest and is accepted.
 */
export function unseal(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    if (!isPlainObject(parsed)) return undefined;
    const { digest, ...value } = parsed;
    return digest === undefined || digest === digestOf(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function digestOf(value: object): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
