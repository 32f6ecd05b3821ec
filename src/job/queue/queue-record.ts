import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { openFolder } from '../../storage/folder.js';
import { atName, type Location, lastName, parseLocation } from '../../storage/location/location.js';
import { isPlainObject } from '../../system/plain-object.js';
import type { JobOptions, QueueOptions } from '../context/options.js';

/**
 * The outputs that a queue with --overwrite has made so far: a command that resumes it must not start over.
 */
export interface QueueRecord {
  /** Returns whether an earlier run of this queue made this job's output from this very input. */
  has(job: JobOptions): Promise<boolean>;
  add(job: JobOptions): Promise<void>;
  /** Removes the record, once the queue is done. */
  remove(): Promise<void>;
}

const NAME = '.framescatter-queue.json';

interface Content {
  readonly queue: 1;
  /** SHA-256 of the options that decide the outputs. */
  readonly options: string;
  /** Stamps of input and output, by the output's name. */
  readonly made: Readonly<Record<string, string>>;
}

/** The record of a queue without --overwrite: the outputs themselves show what is done. */
const NONE: QueueRecord = { has: async () => false, add: async () => {}, remove: async () => {} };

/** Opens the record beside the outputs. */
export async function openQueueRecord(options: QueueOptions): Promise<QueueRecord> {
  if (!options.overwrite) return NONE;
  const place = await openFolder(parseLocation(options.outDir));
  const key = keyOf(options);
  const made = new Map(Object.entries(readMade(await place.readText(NAME), key)));

  return {
    async has(job) {
      const known = made.get(lastName(parseLocation(job.output)));
      return known !== undefined && known === (await stampsOf(job));
    },
    async add(job) {
      made.set(lastName(parseLocation(job.output)), await stampsOf(job));
      const content: Content = { queue: 1, options: key, made: Object.fromEntries(made) };
      await place.writeText(NAME, `${JSON.stringify(content, null, 2)}\n`);
    },
    remove: () => place.remove(NAME),
  };
}

/** Returns a hash of the options that a resumed queue must share. */
function keyOf(options: QueueOptions): string {
  const {
    inputs,
    list,
    outDir,
    workDir,
    restart,
    report,
    trace,
    logFormat,
    progress,
    verbosity,
    maxHours,
    price,
    maxCost,
    plan,
    ...decisive
  } = options;
  const plain = (_: string, value: unknown): unknown => (value instanceof Map ? [...value] : value);
  return createHash('sha256').update(JSON.stringify(decisive, plain)).digest('hex');
}

function readMade(text: string | undefined, key: string): Content['made'] {
  try {
    const content: unknown = JSON.parse(text ?? '{}');
    if (!isPlainObject(content) || content.queue !== 1 || content.options !== key) return {};
    const made = isPlainObject(content.made) ? Object.entries(content.made) : [];
    return Object.fromEntries(made.flatMap(([name, of]) => (typeof of === 'string' ? [[name, of]] : [])));
  } catch {
    return {}; // truncated: everything is made again
  }
}

/** Returns stamps of the present input and output. */
async function stampsOf({ input, output }: JobOptions): Promise<string> {
  const [of, made] = await Promise.all([input, output].map((text) => stampOf(parseLocation(text))));
  return `${of} ${made}`;
}

/** Returns a stamp of the file or blob that is there now; null if there is none. */
export async function stampOf(location: Location): Promise<string | null> {
  const folder: Location =
    location.kind === 'file'
      ? { kind: 'file', path: dirname(location.path) }
      : atName(location, location.name.slice(0, Math.max(0, location.name.lastIndexOf('/'))));
  return (await openFolder(folder)).stamp(lastName(location));
}
