import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { atName, type Location, lastName, parseLocation } from '../../storage/location/location.js';
import { openPlace } from '../../storage/place.js';
import type { JobOptions, QueueOptions } from '../context/options.js';

/**
 * What a queue that replaces outputs has made so far: the command that goes on with it must not begin again with the
 * first video.
 */
export interface QueueRecord {
  /** Whether an earlier run of this queue made this job's output, of this very input. */
  has(job: JobOptions): Promise<boolean>;
  add(job: JobOptions): Promise<void>;
  /** The queue is done. */
  remove(): Promise<void>;
}

const NAME = '.framescatter-queue.json';

interface Content {
  readonly queue: 1;
  /** SHA-256 of the options: with others the outputs would be others. */
  readonly options: string;
  /** By the output's name. */
  readonly made: Readonly<Record<string, string>>;
}

/** For a queue that replaces nothing: the outputs themselves are the record. */
const NONE: QueueRecord = { has: async () => false, add: async () => {}, remove: async () => {} };

/** Opens the record beside the outputs. */
export async function openQueueRecord(options: QueueOptions): Promise<QueueRecord> {
  if (!options.overwrite) return NONE;
  const place = await openPlace(parseLocation(options.outDir));
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

/** What the earlier run's options must agree in. */
function keyOf(options: QueueOptions): string {
  const { inputs, list, outDir, workDir, restart, report, logFormat, verbosity, ...decisive } = options;
  return createHash('sha256').update(JSON.stringify(decisive)).digest('hex');
}

function readMade(text: string | undefined, key: string): Content['made'] {
  try {
    const content = JSON.parse(text ?? '{}') as Partial<Content>;
    return content.queue === 1 && content.options === key ? (content.made ?? {}) : {};
  } catch {
    return {}; // cut off: everything is made again
  }
}

/** Tells this input and this output from others of their names. */
async function stampsOf({ input, output }: JobOptions): Promise<string> {
  const [of, made] = await Promise.all([input, output].map((text) => stampOf(parseLocation(text))));
  return `${of} ${made}`;
}

async function stampOf(location: Location): Promise<string | null> {
  const folder: Location =
    location.kind === 'file'
      ? { kind: 'file', path: dirname(location.path) }
      : atName(location, location.name.slice(0, Math.max(0, location.name.lastIndexOf('/'))));
  return (await openPlace(folder)).stamp(lastName(location));
}
