import { JobError } from '../errors.js';
import { HEADER, segmentName } from '../storage/work-names.js';
import type { WorkStore } from '../storage/work-store.js';

/** What must be the same for segments of an earlier run to be of use: plain values, compared key by key. */
export type Identity = Readonly<Record<string, string | number | boolean | null>>;

/** A finished segment: `frames` frames in presentation order, with their PTS in ticks of the source's time base. */
export interface SegmentRecord {
  readonly index: number;
  readonly frames: number;
  readonly bytes: number;
  readonly pts: readonly number[];
  /** Which of its frames, from 0, the model gave NaN or infinity for; left out where there are none. */
  readonly nonFinite?: readonly number[];
}

/** The record of finished segments. A segment is in it only when its file is complete and flushed. */
export interface Journal {
  readonly store: WorkStore;
  /** Number of earlier runs that worked on this output. */
  readonly resumes: number;
  /** Finished segments in order: 0, 1, 2, ... without a gap, unless the job is split into segments that end in any order. */
  readonly segments: readonly SegmentRecord[];
  /** Threads that every segment is encoded with: an encoder's output depends on them. */
  readonly encoderThreads: number;
  /** Takes over a finished segment file and records it. */
  record(segment: Omit<SegmentRecord, 'bytes'>, file: string, bytes: number): Promise<void>;
  /** A local path of a finished segment. */
  segmentPath(index: number): Promise<string>;
}

interface Header {
  readonly journal: 1;
  readonly identity: Identity;
  readonly encoderThreads: number;
  readonly runs: number;
}

/**
 * Opens the journal in `store`, or begins one. An earlier run's journal must agree with `identity`; what disagrees is
 * refused with the reason (JobError `journal`). Segments beyond the first gap are dropped, where they are made in order:
 * they are made again. So is all that lies there without a journal: a removal that was cut leaves it.
 */
export async function openJournal(
  store: WorkStore,
  identity: Identity,
  encoderThreads: number,
): Promise<Journal> {
  const earlier = await readHeader(store);
  if (earlier === undefined) await store.clear();
  else refuseDifferences(store, earlier.identity, identity);
  const header: Header = {
    journal: 1,
    identity,
    encoderThreads: earlier?.encoderThreads ?? encoderThreads,
    runs: (earlier?.runs ?? 0) + 1,
  };
  const inAnyOrder = identity.split === 'segments';
  const segments = earlier === undefined ? [] : inAnyOrder ? await readAll(store) : await readSegments(store);
  await store.writeText(HEADER, `${JSON.stringify(header, null, 2)}\n`);

  return {
    store,
    resumes: header.runs - 1,
    segments,
    encoderThreads: header.encoderThreads,
    async record(segment, file, bytes) {
      await store.adopt(file, segmentName(segment.index, 'nut'));
      await store.writeText(segmentName(segment.index, 'json'), `${JSON.stringify({ ...segment, bytes })}\n`);
    },
    segmentPath: (index) => store.localPath(segmentName(index, 'nut')),
  };
}

/** What an earlier run's journal in `store` is of; undefined where there is none. Errors: JobError `journal`. */
export async function earlierIdentity(store: WorkStore): Promise<Identity | undefined> {
  return (await readHeader(store))?.identity;
}

/** The same by a glance at where the journal lies, unlocked: undefined too where it cannot be read. */
export async function glanceAtIdentity(place: Pick<WorkStore, 'readText'>): Promise<Identity | undefined> {
  const text = await place.readText(HEADER).catch(() => undefined);
  return text === undefined ? undefined : parseHeader(text)?.identity;
}

async function readHeader(store: WorkStore): Promise<Header | undefined> {
  const text = await store.readText(HEADER);
  if (text === undefined) return undefined;
  const header = parseHeader(text);
  if (header !== undefined) return header;
  throw new JobError('journal', `the journal in ${store.location} cannot be read`, {
    hint: '--restart throws it away and begins anew',
  });
}

function parseHeader(text: string): Header | undefined {
  try {
    const header = JSON.parse(text) as Partial<Header>;
    const whole =
      header.journal === 1 && typeof header.identity === 'object' && Number.isInteger(header.encoderThreads);
    return whole ? (header as Header) : undefined;
  } catch {
    return undefined;
  }
}

function refuseDifferences(store: WorkStore, earlier: Identity, now: Identity): void {
  const keys = [...new Set([...Object.keys(earlier), ...Object.keys(now)])];
  const differences = keys
    .filter((key) => earlier[key] !== now[key])
    .map((key) => `${key} was ${String(earlier[key] ?? 'unset')}, now ${String(now[key] ?? 'unset')}`);
  if (differences.length === 0) return;
  throw new JobError(
    'journal',
    `an earlier run's journal in ${store.location} does not fit this job: ${differences.join('; ')}`,
    { hint: 'run the earlier command again to finish it, or add --restart to throw its work away' },
  );
}

async function readSegments(store: WorkStore): Promise<readonly SegmentRecord[]> {
  const segments: SegmentRecord[] = [];
  for (;;) {
    const record = await readSegment(store, segments.length);
    if (record === undefined) break;
    segments.push(record);
  }
  await removeBeyond(store, segments.length);
  return segments;
}

/** All sound segments, with gaps where there are some. */
async function readAll(store: WorkStore): Promise<readonly SegmentRecord[]> {
  const indices = (await store.list())
    .map((name) => /^segment-(\d+)\.json$/.exec(name)?.[1])
    .filter((index) => index !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
  const segments: SegmentRecord[] = [];
  for (const index of indices) {
    const record = await readSegment(store, index);
    if (record !== undefined) segments.push(record);
  }
  return segments;
}

/** A segment's record, where it is sound and its data is there. */
async function readSegment(store: WorkStore, index: number): Promise<SegmentRecord | undefined> {
  const text = await store.readText(segmentName(index, 'json'));
  const record = text === undefined ? undefined : parseRecord(text);
  if (record?.index !== index) return undefined;
  return record.bytes === (await store.size(segmentName(index, 'nut'))) ? record : undefined;
}

function parseRecord(text: string): SegmentRecord | undefined {
  try {
    const record = JSON.parse(text) as SegmentRecord;
    const whole = Array.isArray(record.pts) && record.pts.length === record.frames;
    return whole && Array.isArray(record.nonFinite ?? []) ? record : undefined;
  } catch {
    return undefined;
  }
}

async function removeBeyond(store: WorkStore, first: number): Promise<void> {
  for (const name of await store.list()) {
    const match = /^segment-(\d+)\.(?:json|nut)$/.exec(name);
    if (match !== null && Number(match[1]) >= first) await store.remove(name);
  }
}
