/** Opens the videos of a comparison, and refuses those that cannot be compared. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseLocation } from '../../storage/location/location.js';
import { JobError } from '../../system/errors.js';
import { type WirePlan, wirePlan } from '../../video/frames/wire.js';
import { probe, type SourceFacts, sourceLimits } from '../../video/source/probe.js';
import type { StorageContext } from '../context/storage-context.js';
import { type LocalCopy, openSource, withDisplayName } from '../prepare/source.js';
import type { CompareOptions } from './compare-options.js';

/** A video of a comparison. */
export interface ComparedVideo {
  readonly copy: LocalCopy;
  readonly facts: SourceFacts;
  /** Makes its frames what they are compared as: upright, with 8 bits, 4:2:0. */
  readonly wire: WirePlan;
}

export interface ComparedVideos {
  readonly reference: ComparedVideo;
  readonly other: ComparedVideo;
  /** Undefined: the reference is the source. */
  readonly source: ComparedVideo | undefined;
  /** Notes for the user, one line each. */
  readonly notes: readonly string[];
}

/** Frames are compared as they are shown: a mark to rotate them is followed. */
const UPRIGHT = { carriesDisplayMatrix: false } as const;
/** The source may be of another size if its shape differs by no more than this part. */
const MOST_SHAPE_DIFFERENCE = 0.02;

/**
 * Opens the videos. Decodes no frame.
 *
 * @throws {JobError} input: when one cannot be read, or their frames have different sizes.
 */
export async function openVideos(options: CompareOptions, storage: StorageContext): Promise<ComparedVideos> {
  const reference = await openVideo(options.reference, 'a', storage);
  const other = await openVideo(options.other, 'b', storage);
  refuseOtherSize(reference, other);
  const source =
    options.source === undefined ? undefined : await openVideo(options.source, 'source', storage);
  if (source !== undefined) refuseOtherShape(reference, source);
  return {
    ...{ reference, other, source },
    notes: [...new Set([...[reference, other].flatMap(notesOf), ...colourNotes(reference, other)])],
  };
}

async function openVideo(place: string, folder: string, storage: StorageContext): Promise<ComparedVideo> {
  const copy = await openSource(parseLocation(place), within(storage, folder));
  const facts = await withDisplayName(copy, () => probe(copy.path, sourceLimits()));
  return { copy, facts, wire: wirePlan(facts.video, UPRIGHT) };
}

/** Returns storage whose scratch is a folder in this one: downloads of one name must not meet. */
function within(storage: StorageContext, name: string): StorageContext {
  const { scratch } = storage;
  return {
    ...storage,
    scratch: {
      ...scratch,
      async folder() {
        const path = join(await scratch.folder(), name);
        await mkdir(path, { recursive: true });
        return path;
      },
    },
  };
}

function refuseOtherSize(reference: ComparedVideo, other: ComparedVideo): void {
  const [own, its] = [reference.wire.format, other.wire.format];
  if (own.width === its.width && own.height === its.height) return;
  throw new JobError(
    'input',
    `frames of different sizes cannot be compared: "${reference.copy.display}" has ${own.width}x${own.height}, "${other.copy.display}" has ${its.width}x${its.height}`,
    {
      hint: 'scale one of them to the size of the other first, with FFmpeg and a lossless codec such as ffv1',
    },
  );
}

function refuseOtherShape(reference: ComparedVideo, source: ComparedVideo): void {
  const [own, its] = [reference.wire.format, source.wire.format];
  const ratio = (own.width * its.height) / (own.height * its.width);
  if (Math.abs(ratio - 1) <= MOST_SHAPE_DIFFERENCE) return;
  throw new JobError(
    'input',
    `the source has frames of another shape: "${source.copy.display}" has ${its.width}x${its.height}, "${reference.copy.display}" has ${own.width}x${own.height}`,
    { hint: 'give --source the video from which both were made' },
  );
}

function notesOf({ copy, facts, wire }: ComparedVideo): readonly string[] {
  const { video } = facts;
  const { bits, subsampling, chromaShift } = wire.format.sample;
  const finer =
    !video.grey && (video.rgb || video.chromaShift.x < chromaShift.x || video.chromaShift.y < chromaShift.y);
  return [
    ...facts.notes,
    ...(video.bitDepth > bits || finer
      ? [`"${copy.display}" is ${video.pixelFormat}: compared at ${bits} bits, ${subsampling}`]
      : []),
    ...(video.interlaced === false ? [] : [`"${copy.display}" is interlaced: compared deinterlaced (bwdif)`]),
  ];
}

function colourNotes(reference: ComparedVideo, other: ComparedVideo): readonly string[] {
  const [own, its] = [reference.wire.format, other.wire.format];
  if (own.matrix === its.matrix && own.range === its.range) return [];
  return [
    `colours are coded differently, and samples are compared as they are: "${reference.copy.display}" has ${own.matrix}, ${own.range} range, "${other.copy.display}" has ${its.matrix}, ${its.range} range`,
  ];
}
