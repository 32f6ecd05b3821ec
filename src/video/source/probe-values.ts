/** Takes apart ffprobe's JSON, in which anything may be missing. Pure. */

export type Json = Readonly<Record<string, unknown>>;

/** `value` where it is an object; an empty one elsewhere. */
export function record(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

/** `value` where it is an array; an empty one elsewhere. */
export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** `value` where it is text with something in it. */
export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** ffprobe writes some numbers as JSON numbers and others as text. */
export function number(value: unknown): number | undefined {
  const parsed = typeof value === 'string' && value !== '' ? Number(value) : value;
  return typeof parsed === 'number' && Number.isFinite(parsed) ? parsed : undefined;
}

/** The same, of whole numbers that are exact. */
export function integer(value: unknown): number | undefined {
  const parsed = number(value);
  return Number.isSafeInteger(parsed) ? parsed : undefined;
}

/** The same, above zero. */
export function positive(value: unknown): number | undefined {
  const parsed = number(value);
  return parsed !== undefined && parsed > 0 && parsed <= Number.MAX_SAFE_INTEGER ? parsed : undefined;
}
