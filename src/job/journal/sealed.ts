import { createHash } from 'node:crypto';

/** `value` as JSON with a digest of itself in it, by which `unseal` knows that no bit of it has changed. */
export function seal(value: object): string {
  return `${JSON.stringify({ ...value, digest: digestOf(value) })}\n`;
}

/**
 * The object that `text` holds, without its digest; undefined where it holds none, or the digest is wrong. What an earlier version
 * wrote has no digest, and is taken as it is.
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

/** Neither null nor a list. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function digestOf(value: object): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
