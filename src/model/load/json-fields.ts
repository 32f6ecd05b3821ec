import { JobError } from '../../system/errors.js';
import { isPlainObject } from '../../system/plain-object.js';

interface NumberRule {
  readonly integer?: boolean;
  readonly min: number;
  readonly max: number;
}

/**
 * Strict access to a JSON object: every getter checks its value, and `end` refuses keys that no getter has
 * read.
 */
export interface Fields {
  has(key: string): boolean;
  isObject(key: string): boolean;
  string(key: string): string;
  optionalString(key: string): string | undefined;
  /** A list of at least one string. */
  texts(key: string): readonly string[];
  optionalFlag(key: string): boolean | undefined;
  number(key: string, rule: NumberRule): number;
  optionalNumber(key: string, rule: NumberRule): number | undefined;
  numberOrString(key: string): number | string;
  numbers(key: string, length: number): readonly number[];
  /** A number, or a list of at least one. */
  someNumbers(key: string): readonly number[];
  choice<T extends string>(key: string, values: readonly T[]): T;
  optionalChoice<T extends string>(key: string, values: readonly T[]): T | undefined;
  object<T>(key: string, read: (value: Fields) => T): T;
  /** A list of at least one object. */
  list<T>(key: string, read: (value: Fields) => T): readonly T[];
  /** The objects in an object of at least one, in their order, by their names. */
  entries<T>(key: string, read: (value: Fields, name: string) => T): ReadonlyMap<string, T>;
  end(): void;
  fail(key: string, what: string): never;
}

/** What `models inspect` writes in place of what no graph tells. */
const OPEN = '?';

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Parses a JSON object.
 *
 * @throws {JobError} model: when `text` is not a JSON object.
 */
export function parseJsonObject(text: string, path: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new JobError('model', `the manifest "${path}" is not JSON`, { cause });
  }
  if (!isPlainObject(value)) throw new JobError('model', `the manifest "${path}" is not a JSON object`);
  return value;
}

/**
 * Opens a JSON object. For messages, `path` is the manifest and `where` the keys that lead to `object` in it.
 */
export function fields(object: JsonObject, path: string, where = ''): Fields {
  const asked = new Set<string>();
  const fail = (key: string, what: string): never => {
    throw new JobError('model', `in the manifest "${path}", "${where}${key}" ${what}`);
  };
  const get = (key: string): unknown => {
    asked.add(key);
    return Object.hasOwn(object, key) ? object[key] : undefined;
  };
  const string = (key: string): string => {
    const value = get(key);
    if (value === undefined) return fail(key, 'is missing');
    return typeof value === 'string' ? value : fail(key, 'must be a string');
  };
  const number = (key: string, rule: NumberRule): number => {
    const value = get(key);
    if (value === undefined) return fail(key, 'is missing');
    const fits = typeof value === 'number' && value >= rule.min && value <= rule.max;
    if (!fits || (rule.integer === true && !Number.isInteger(value))) {
      const what = rule.integer === true ? 'a whole number' : 'a number';
      return fail(
        key,
        rule.min === rule.max ? `must be ${rule.min}` : `must be ${what} from ${rule.min} to ${rule.max}`,
      );
    }
    return value;
  };
  const choice = <T extends string>(key: string, values: readonly T[]): T => {
    const value = string(key);
    const found = values.find((one) => one === value);
    if (value === OPEN)
      return fail(key, `is still "${OPEN}": write ${values.map((one) => `"${one}"`).join(' or ')}`);
    return (
      found ??
      fail(key, `must be ${values.map((one) => `"${one}"`).join(' or ')}, not ${JSON.stringify(value)}`)
    );
  };
  const object_ = <T>(key: string, value: unknown, read: (value: Fields) => T): T => {
    if (value === undefined) return fail(key, 'is missing');
    if (!isPlainObject(value)) return fail(key, 'must be an object');
    const inner = fields(value, path, `${where}${key}.`);
    const result = read(inner);
    inner.end();
    return result;
  };
  return {
    has: (key) => get(key) !== undefined,
    isObject: (key) => isPlainObject(get(key)),
    string,
    optionalString: (key) => (get(key) === undefined ? undefined : string(key)),
    texts(key) {
      const value = get(key);
      const list: readonly unknown[] = Array.isArray(value) ? value : [];
      const found = list.filter((one) => typeof one === 'string');
      const fits = found.length > 0 && found.length === list.length;
      return fits ? found : fail(key, 'must be a list of strings');
    },
    optionalFlag(key) {
      const value = get(key);
      return value === undefined || typeof value === 'boolean' ? value : fail(key, 'must be true or false');
    },
    number,
    optionalNumber: (key, rule) => (get(key) === undefined ? undefined : number(key, rule)),
    numberOrString(key) {
      return typeof get(key) === 'number' ? number(key, { min: -1e6, max: 1e6 }) : string(key);
    },
    numbers(key, length) {
      const value = get(key);
      const found = Array.isArray(value) ? value.filter((one): one is number => Number.isFinite(one)) : [];
      const fits = Array.isArray(value) && value.length === length && found.length === length;
      return fits ? found : fail(key, `must be a list of ${length} numbers`);
    },
    someNumbers(key) {
      const value = get(key);
      const list: readonly unknown[] = Array.isArray(value) ? value : [value];
      const found = list.filter((one): one is number => Number.isFinite(one));
      const fits = list.length > 0 && found.length === list.length;
      return fits ? found : fail(key, 'must be a number or a list of numbers');
    },
    choice,
    optionalChoice: (key, values) => (get(key) === undefined ? undefined : choice(key, values)),
    object: (key, read) => object_(key, get(key), read),
    list(key, read) {
      const value = get(key);
      if (!Array.isArray(value) || value.length === 0)
        return fail(key, 'must be a list with at least one entry');
      return value.map((one, at) => object_(`${key}[${at}]`, one, read));
    },
    entries(key, read) {
      const value = get(key);
      if (!isPlainObject(value) || Object.keys(value).length === 0)
        return fail(key, 'must be an object with at least one entry');
      const inner = fields(value, path, `${where}${key}.`);
      return new Map(Object.keys(value).map((name) => [name, inner.object(name, (one) => read(one, name))]));
    },
    end() {
      const unknown = Object.keys(object).find((key) => !asked.has(key));
      if (unknown !== undefined) fail(unknown, 'is not a known key');
    },
    fail,
  };
}
