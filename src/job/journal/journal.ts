import { HEADER, PUBLICATION, segmentName } from '../../storage/local/work-names.js';
import type { WorkStore } from '../../storage/local/work-store.js';
import { JobError } from '../../system/errors.js';
import { fileDigest } from '../../system/file-digest.js';
import { MODIFIED, sameContentHint } from './fingerprint.js';
import type { Identity } from './identity.js';
import { isPlainObject, seal, unseal } from './sealed.js';

/** A finished segment: `frames` frames in presentation order, with their PTS in ticks of the source's time base. */
export interface SegmentRecord {
  readonly index: number;
  readonly frames: number;
  readonly bytes: number;
  readonly pts: readonly number[];
  /** Which of its frames, from 0, the model gave NaN or infinity for; left out where there are none. */
  readonly nonFinite?: readonly number[];
  /** Of the file, in hexadecimal. An earlier version's records have none. */
  readonly sha256?: string;
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
  record(segment: Omit<SegmentRecord, 'bytes' | 'sha256'>, file: string, bytes: number): Promise<void>;
  /** A local path of a finished segment. */
  segmentPath(index: number): Promise<string>;
  /**
   * Refuses a segment that is not what was recorded, now that its SHA-256 is known, and forgets it: the next run makes it
   * again. JobError `journal`.
   */
  confirm(index: number, sha256: string): Promise<void>;
}

interface Header {
  readonly journal: 1;
  readonly identity: Identity;
  readonly encoderThreads: number;
  readonly runs: number;
}

/** No journal tells of more runs, nor of more encoder threads. */
const MOST_COUNT = 1e6;

/**
 * Opens the journal in `store`, or begins one. An earlier run's journal must agree with `identity`; what disagrees is
 * refused with the reason (JobError `journal`). Segments that have changed since they were recorded are dropped, and where they are
 * made in order, so are those beyond the first gap: they are made again. So is all that lies there without a journal: a removal
 * that was cut leaves it. `onCorrupt` is told of each that has changed, in a line.
 */
export async function openJournal(
  store: WorkStore,
  identity: Identity,
  encoderThreads: number,
  onCorrupt: (line: string) => void = () => {},
): Promise<Journal> {
  const earlier = await readHeader(store);
  if (earlier === undefined) {
    await store.clear();
    await store.remove(PUBLICATION);
  }
  if (earlier !== undefined) refuseDifferences(store, earlier.identity, identity);
  const header: Header = {
    journal: 1,
    identity,
    encoderThreads: earlier?.encoderThreads ?? encoderThreads,
    runs: (earlier?.runs ?? 0) + 1,
  };
  const inAnyOrder = identity.split === 'segments';
  const segments =
    earlier === undefined
      ? []
      : await (inAnyOrder ? readAll(store, onCorrupt) : readSegments(store, onCorrupt));
  const digests = new Map(segments.map(({ index, sha256 }) => [index, sha256]));
  await store.writeText(HEADER, seal(header));

  return {
    store,
    resumes: header.runs - 1,
    segments,
    encoderThreads: header.encoderThreads,
    async record(segment, file, bytes) {
      const sha256 = await fileDigest(file);
      await store.adopt(file, segmentName(segment.index, 'nut'));
      await store.writeText(segmentName(segment.index, 'json'), seal({ ...segment, bytes, sha256 }));
      digests.set(segment.index, sha256);
    },
    segmentPath: (index) => store.localPath(segmentName(index, 'nut')),
    async confirm(index, sha256) {
      const recorded = digests.get(index);
      if (recorded === undefined || recorded === sha256) return;
      await forget(store, index);
      throw new JobError(
        'journal',
        `segment ${index} in ${store.location} is damaged: its bytes have changed`,
        {
          hint: 'run the same command again: it makes that segment anew. If it happens again, check the disk',
        },
      );
    },
  };
}

/** What an earlier run's journal in `store` is of; undefined where there is none. Errors: JobError `journal`. */
export async function earlierIdentity(store: WorkStore): Promise<Identity | undefined> {
  return (await readHeader(store))?.identity;
}

/** The same by a glance at where the journal lies, unlocked: undefined too where it cannot be read. */
export async function readIdentity(place: Pick<WorkStore, 'readText'>): Promise<Identity | undefined> {
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
  const header = unseal(text) as Partial<Header> | undefined;
  if (header?.journal !== 1 || !isIdentity(header.identity)) return undefined;
  const { encoderThreads = 0, runs = 0 } = header;
  return isCount(encoderThreads, 1) && isCount(runs, 0) ? (header as Header) : undefined;
}

function isIdentity(value: unknown): value is Identity {
  return isPlainObject(value) && Object.values(value).every((one) => one === null || typeof one !== 'object');
}

function isCount(value: unknown, least: number): boolean {
  return Number.isInteger(value) && Number(value) >= least && Number(value) <= MOST_COUNT;
}

function refuseDifferences(store: WorkStore, earlier: Identity, now: Identity): void {
  const keys = [...new Set([...Object.keys(earlier), ...Object.keys(now)])];
  const differing = keys.filter(
    // An earlier version took no note of the time.
    (key) => earlier[key] !== now[key] && !(key === MODIFIED && earlier[key] === undefined),
  );
  if (differing.length === 0) return;
  const differences = differing.map(
    (key) => `${key} was ${String(earlier[key] ?? 'unset')}, now ${String(now[key] ?? 'unset')}`,
  );
  const restart = 'add --restart to throw its work away';
  const isTimeAlone = differing.every((key) => key === MODIFIED);
  throw new JobError(
    'journal',
    `an earlier run's journal in ${store.location} does not fit this job: ${differences.join('; ')}`,
    {
      hint: isTimeAlone
        ? `${sameContentHint(earlier[MODIFIED])}; or ${restart}`
        : `run the earlier command again to finish it, or ${restart}`,
    },
  );
}

async function readSegments(store: WorkStore, onCorrupt: OnCorrupt): Promise<readonly SegmentRecord[]> {
  const segments: SegmentRecord[] = [];
  for (;;) {
    const record = await readSegment(store, segments.length, (line) =>
      onCorrupt(`${line}, with those after it`),
    );
    if (record === undefined) break;
    segments.push(record);
  }
  await removeBeyond(store, segments.length);
  return segments;
}

/** All sound segments, with gaps where there are some. */
async function readAll(store: WorkStore, onCorrupt: OnCorrupt): Promise<readonly SegmentRecord[]> {
  const indices = (await store.list())
    .map((name) => /^segment-(\d+)\.json$/.exec(name)?.[1])
    .filter((index) => index !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
  const segments: SegmentRecord[] = [];
  for (const index of indices) {
    const record = await readSegment(store, index, onCorrupt);
    if (record !== undefined) segments.push(record);
  }
  return segments;
}

type OnCorrupt = (line: string) => void;

/** A segment's record, where it is sound and its data is there and as it was recorded; where not, neither stays. */
async function readSegment(
  store: WorkStore,
  index: number,
  onCorrupt: OnCorrupt,
): Promise<SegmentRecord | undefined> {
  const text = await store.readText(segmentName(index, 'json'));
  if (text === undefined) return undefined;
  const record = parseRecord(text);
  const isSound =
    record?.index === index &&
    record.bytes === (await store.size(segmentName(index, 'nut'))) &&
    (record.sha256 === undefined || (await store.holds(segmentName(index, 'nut'), record.sha256)));
  if (isSound) return record;
  onCorrupt(`segment ${index} of an earlier run is damaged: it is made again`);
  await forget(store, index);
  return undefined;
}

/** The record goes first: without it the data is nobody's. */
async function forget(store: WorkStore, index: number): Promise<void> {
  await store.remove(segmentName(index, 'json'));
  await store.remove(segmentName(index, 'nut'));
}

function parseRecord(text: string): SegmentRecord | undefined {
  const record = unseal(text) as Partial<SegmentRecord> | undefined;
  const { pts, frames, bytes, sha256, nonFinite = [] } = record ?? {};
  const isWhole =
    Array.isArray(pts) &&
    pts.length === frames &&
    pts.every((time, at) => Number.isSafeInteger(time) && (at === 0 || time > (pts[at - 1] ?? 0))) &&
    Number.isSafeInteger(bytes) &&
    Array.isArray(nonFinite) &&
    (sha256 === undefined || typeof sha256 === 'string');
  return isWhole ? (record as SegmentRecord) : undefined;
}

async function removeBeyond(store: WorkStore, first: number): Promise<void> {
  for (const name of await store.list()) {
    const match = /^segment-(\d+)\.(?:json|nut)$/.exec(name);
    if (match !== null && Number(match[1]) >= first) await store.remove(name);
  }
}
