import { stat } from 'node:fs/promises';
import { HEADER, PUBLICATION, segmentName, segmentOf } from '../../storage/local/work-names.js';
import type { WorkStore } from '../../storage/local/work-store.js';
import { JobError } from '../../system/errors.js';
import { fileDigest } from '../../system/file-digest.js';
import { isPlainObject } from '../../system/plain-object.js';
import type { EncoderWork } from '../../video/codecs/codec.js';
import { DIGEST, MODIFIED, sameContentHint } from './fingerprint.js';
import { type Identity, isIdentity } from './identity.js';
import { differingOptions, isModelOptions, type ModelOptions } from './model-options.js';
import { seal, unseal } from './sealed.js';
import type { SegmentFiles } from './segment-files.js';
import {
  digestOf,
  type HeldFile,
  parseRecord,
  type SegmentPart,
  type SegmentRecord,
} from './segment-record.js';

/** The journal of finished segments. A segment is recorded only when its file is complete and flushed. */
export interface Journal {
  readonly store: WorkStore;
  /** Number of earlier runs that worked on this output. */
  readonly resumes: number;
  /**
   * Finished segments in order: 0, 1, 2, ... With `split` segments there may be gaps, as they end in any
   * order.
   */
  readonly segments: readonly SegmentRecord[];
  /** Bytes of the main video in all finished segments, those of this run too. */
  readonly videoBytes: number;
  /** How every segment is encoded: as the first run began. */
  readonly encoder: EncoderWork;
  /** Moves the files of a finished segment into the work folder and records it. Returns its record. */
  record(
    segment: Omit<SegmentRecord, 'bytes' | 'sha256' | 'further' | 'rows'>,
    files: SegmentFiles,
  ): Promise<SegmentRecord>;
  /** Returns a local path of a video, or the rows, of a finished segment. */
  segmentPath(index: number, video: number): Promise<string>;
  rowsPath(index: number): Promise<string>;
  /**
   * Compares the SHA-256 of a part of a segment with its record. Forgets a segment that has
   * changed, so that the next run makes it again.
   *
   * @throws {JobError} journal: when the segment has changed.
   */
  confirm(index: number, part: SegmentPart, sha256: string): Promise<void>;
}

interface Header {
  readonly journal: 1;
  readonly identity: Identity;
  readonly encoderThreads: number;
  readonly picturesAtOnce: number;
  /** For messages alone. Absent in journals of early versions. */
  readonly options?: ModelOptions;
  readonly runs: number;
}

/** What x265 coded at the same time in journals that do not say it. */
const EARLY_PICTURES = 4;
/** Most runs, and most encoder threads, of a valid journal. */
const MOST_COUNT = 1e6;

/**
 * Opens the journal in `store`, or creates one. Drops segments that have changed since they were recorded
 * and, if segments are made in order, those beyond the first gap: they are made again. Without a journal it
 * clears the folder: an interrupted removal leaves files. `onCorrupt` gets a line for each segment that has
 * changed.
 *
 * @throws {JobError} journal: when an earlier run's journal does not agree with `identity`.
 */
export async function openJournal(
  store: WorkStore,
  identity: Identity,
  encoder: EncoderWork,
  options: ModelOptions,
  onCorrupt: (line: string) => void = () => {},
): Promise<Journal> {
  const earlier = await readHeader(store);
  if (earlier === undefined) {
    await store.clear();
    await store.remove(PUBLICATION);
  }
  if (earlier !== undefined) refuseDifferences(store, earlier, { identity, options });
  const header: Header = {
    journal: 1,
    identity,
    encoderThreads: earlier?.encoderThreads ?? encoder.threads,
    picturesAtOnce: earlier?.picturesAtOnce ?? encoder.picturesAtOnce,
    options,
    runs: (earlier?.runs ?? 0) + 1,
  };
  const inAnyOrder = identity.split === 'segments';
  const segments =
    earlier === undefined
      ? []
      : await (inAnyOrder ? readAll(store, onCorrupt) : readSegments(store, onCorrupt));
  const digests = new Map<number, Pick<SegmentRecord, 'sha256' | 'further' | 'rows'>>(
    segments.map((one) => [one.index, one]),
  );
  let videoBytes = segments.reduce((sum, { bytes }) => sum + bytes, 0);
  await store.writeText(HEADER, seal(header));

  return {
    store,
    resumes: header.runs - 1,
    segments,
    get videoBytes() {
      return videoBytes;
    },
    encoder: { threads: header.encoderThreads, picturesAtOnce: header.picturesAtOnce },
    async record(segment, { videos, rows }) {
      const [main, ...further] = await Promise.all(videos.map(factsOf));
      const facts = {
        bytes: 0,
        ...main,
        ...(further.length === 0 ? {} : { further }),
        ...(rows === undefined ? {} : { rows: await factsOf(rows) }),
      };
      for (const [at, video] of videos.entries())
        await store.adopt(video, segmentName(segment.index, 'nut', at));
      if (rows !== undefined) await store.adopt(rows, segmentName(segment.index, 'rows'));
      const record = { ...segment, ...facts };
      await store.writeText(segmentName(segment.index, 'json'), seal(record));
      digests.set(segment.index, facts);
      videoBytes += record.bytes;
      return record;
    },
    rowsPath: (index) => store.localPath(segmentName(index, 'rows')),
    segmentPath: (index, video) => store.localPath(segmentName(index, 'nut', video)),
    async confirm(index, part, sha256) {
      const found = digests.get(index);
      const recorded = found && digestOf(found, part);
      if (recorded === undefined || recorded === sha256) return;
      await forget(store, index);
      throw new JobError(
        'journal',
        `segment ${index} in ${store.location} is damaged: its bytes have changed`,
        {
          hint: 'run the same command again, which makes that segment again; if it recurs, check the disk',
        },
      );
    },
  };
}

/**
 * Returns the identity of an earlier run's journal in `store`; undefined if there is none.
 *
 * @throws {JobError} journal: when the journal cannot be read.
 */
export async function earlierIdentity(store: WorkStore): Promise<Identity | undefined> {
  return (await readHeader(store))?.identity;
}

/** Returns the identity of a journal without locking it; undefined if there is none, or it cannot be read. */
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
    hint: 'add --restart to discard it and start over',
  });
}

function parseHeader(text: string): Header | undefined {
  const facts = unseal(text) ?? {};
  const { journal, identity, encoderThreads, picturesAtOnce = EARLY_PICTURES, options, runs = 0 } = facts;
  if (journal !== 1 || !isIdentity(identity)) return undefined;
  return isCount(encoderThreads, 1) && isCount(picturesAtOnce, 1) && isCount(runs, 0)
    ? {
        ...{ journal, identity, encoderThreads, picturesAtOnce, runs },
        ...(isPlainObject(options) && isModelOptions(options) ? { options } : {}),
      }
    : undefined;
}

function isCount(value: unknown, least: number): value is number {
  return Number.isInteger(value) && Number(value) >= least && Number(value) <= MOST_COUNT;
}

/** The key, in an identity, of the digest of the model and all that it was made with. */
const MODEL = 'model';

function refuseDifferences(
  store: WorkStore,
  { identity: earlier, options: before = {} }: Pick<Header, 'identity' | 'options'>,
  { identity: now, options }: { readonly identity: Identity; readonly options: ModelOptions },
): void {
  const keys = [...new Set([...Object.keys(earlier), ...Object.keys(now)])];
  const differing = keys.filter(
    // Journals of early versions have neither the time nor the digest.
    (key) => earlier[key] !== now[key] && !([MODIFIED, DIGEST].includes(key) && earlier[key] === undefined),
  );
  if (differing.length === 0) return;
  const changed = Object.keys(before).length === 0 ? [] : differingOptions(before, options);
  const differences = differing.flatMap((key) =>
    key === MODEL && changed.length > 0
      ? changed
      : [`${key} was ${String(earlier[key] ?? 'unset')}, now ${String(now[key] ?? 'unset')}`],
  );
  const restart = 'add --restart to discard its work';
  const isTimeAlone = differing.every((key) => key === MODIFIED);
  throw new JobError(
    'journal',
    `an earlier run's journal in ${store.location} does not match this job: ${differences.join('; ')}`,
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

/** Returns the records of all intact segments; there may be gaps. */
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

/** Returns a segment's record if both the record and the data are intact; otherwise removes both. */
async function readSegment(
  store: WorkStore,
  index: number,
  onCorrupt: OnCorrupt,
): Promise<SegmentRecord | undefined> {
  const text = await store.readText(segmentName(index, 'json'));
  if (text === undefined) return undefined;
  const record = parseRecord(text);
  const isIntact =
    record?.index === index &&
    (await isHeld(store, segmentName(index, 'nut'), record)) &&
    (await areHeld(store, index, record.further ?? [])) &&
    (record.rows === undefined || (await isHeld(store, segmentName(index, 'rows'), record.rows)));
  if (isIntact) return record;
  onCorrupt(`segment ${index} of an earlier run is damaged and will be made again`);
  await forget(store, index);
  return undefined;
}

/** Returns whether a file of a segment is there as recorded. A segment without video has 0 bytes of it. */
async function isHeld(
  store: WorkStore,
  name: string,
  { bytes, sha256 }: { readonly bytes: number; readonly sha256?: string },
): Promise<boolean> {
  if (bytes === 0 && sha256 === undefined) return true;
  return bytes === (await store.size(name)) && (sha256 === undefined || store.holds(name, sha256));
}

/** Returns whether the videos of further pictures are there as recorded. */
async function areHeld(store: WorkStore, index: number, further: readonly HeldFile[]): Promise<boolean> {
  for (const [at, file] of further.entries())
    if (!(await isHeld(store, segmentName(index, 'nut', at + 1), file))) return false;
  return true;
}

async function factsOf(file: string): Promise<HeldFile> {
  return { bytes: (await stat(file)).size, sha256: await fileDigest(file) };
}

/** Removes a segment, the record first: data without a record is ignored. */
async function forget(store: WorkStore, index: number): Promise<void> {
  await store.remove(segmentName(index, 'json'));
  for (const name of await store.list()) if (segmentOf(name) === index) await store.remove(name);
}

async function removeBeyond(store: WorkStore, first: number): Promise<void> {
  for (const name of await store.list()) {
    const index = segmentOf(name);
    if (index !== undefined && index >= first) await store.remove(name);
  }
}
