/** Reads values from ffprobe's JSON, in which anything may be missing. Pure. */

export type Json = Readonly<Record<string, unknown>>;

/** Returns `value` if it is an object; otherwise an empty one. */
export function record(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

/** Returns `value` if it is an array; otherwise an empty one. */
export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Returns `value` if it is text and not empty. */
export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Returns `value` if it is a number, or a text of one: ffprobe writes both. */
export function number(value: unknown): number | undefined {
  const parsed = typeof value === 'string' && value !== '' ? Number(value) : value;
  return typeof parsed === 'number' && Number.isFinite(parsed) ? parsed : undefined;
}

/** Returns the same for whole numbers that are exact. */
export function integer(value: unknown): number | undefined {
  const parsed = number(value);
  return Number.isSafeInteger(parsed) ? parsed : undefined;
}

/** Returns the same for numbers above zero. */
export function positive(value: unknown): number | undefined {
  const parsed = number(value);
  return parsed !== undefined && parsed > 0 && parsed <= Number.MAX_SAFE_INTEGER ? parsed : undefined;
}
