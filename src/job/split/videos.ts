/** Muxes the segments of each video of a job into a finished file, and verifies it. */
import { scratchNames } from '../../storage/local/work-names.js';
import { codedTags } from '../../video/codecs/colour-support.js';
import type { StreamPlan } from '../../video/mux/stream-plan.js';
import type { SourceFacts } from '../../video/source/source-facts.js';
import { assembleCarried } from '../../video/streams/assemble-carried.js';
import { verifyOutput } from '../../video/verify/verify.js';
import type { SegmentRecord } from '../journal/segment-record.js';
import { writeIndex } from '../output/sequence-index.js';
import type { PictureNames } from '../prepare/images-output.js';
import type { VideoOutput } from '../prepare/prepare.js';
import type { RootWork } from './root-work.js';

/** The video of a published output. */
export interface CompletedVideo {
  /** Times of its frames in the source, ascending, in ticks. */
  readonly pts: readonly number[];
  /** Added to these in the output. */
  readonly shift: number;
  readonly streams: StreamPlan;
}

/** A published video, whose work is not removed yet. */
export interface PublishedVideo extends CompletedVideo {
  /** The finished file in the work folder. On a file system it may have been moved to the output. */
  readonly file: string;
}

export interface MuxedVideo extends PublishedVideo {
  /** Size of the output if that is not `file`. */
  readonly bytes?: number;
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
}

type MuxedParts = Pick<VideoOutput, 'streams' | 'container' | 'spec'> &
  Partial<Pick<VideoOutput, 'pictures'>>;

/**
 * Muxes the segments of a job's video number `at`, of which 0 is the main one, with the streams of `source`
 * that go with it, and verifies every frame's time in the result.
 */
export async function muxedVideo(
  source: SourceFacts,
  { streams, container, spec, pictures }: MuxedParts,
  work: RootWork,
  segments: readonly SegmentRecord[],
  at = 0,
): Promise<MuxedVideo> {
  const pts = segments.flatMap((segment) => segment.pts);
  if (pictures !== undefined) return indexedPictures(pictures, streams, work, segments);
  const finished = work.journal.store.temporary(scratchNames.output(container.name, at));
  const { inspected, assembled } = await work.monitor.phase('assemble', async () => {
    const inspected = (await work.inspections[at]?.all(segments.map(({ index }) => index))) ?? [];
    const tags = codedTags(spec);
    const parts = { source, streams, container, segments: inspected, pts, tags, output: finished };
    const hdr = spec.hdr === undefined ? {} : { hdr: spec.hdr };
    return { inspected, assembled: await assembleCarried({ ...parts, ...hdr }) };
  });
  const { warnings, times, file } = assembled;
  const expected = {
    ...{ source, streams: assembled.streams, container, pts, times },
    ...{ video: spec, segments: inspected },
  };
  const inexact = await work.monitor.phase('verify', () => verifyOutput(finished, expected, file));
  const { streams: carried } = assembled;
  const notes = [...assembled.notes, ...inexact];
  return { file: finished, pts, shift: times.shift, streams: carried, notes, warnings };
}

/** Indexes the pictures in the segments, which are put in place when they are published. */
async function indexedPictures(
  { names, first }: PictureNames,
  streams: StreamPlan,
  work: RootWork,
  segments: readonly SegmentRecord[],
): Promise<MuxedVideo> {
  const pts = segments.flatMap((segment) => segment.pts);
  const file = work.journal.store.temporary(scratchNames.output('images', 0));
  const bytes = await work.monitor.phase('assemble', async () => {
    const inspected = (await work.inspections[0]?.all(segments.map(({ index }) => index))) ?? [];
    const paths = inspected.map(({ path }) => path);
    return writeIndex(file, paths, names, first, pts.length);
  });
  return { file, bytes, pts, shift: 0, streams, notes: [], warnings: [] };
}

/**
 * Muxes and verifies the videos of further pictures. They have the main video's frames and times, and no
 * other streams.
 */
export async function furtherVideos(
  { further }: VideoOutput,
  work: RootWork,
  segments: readonly SegmentRecord[],
): Promise<readonly MuxedVideo[]> {
  const made: MuxedVideo[] = [];
  for (const [at, one] of further.entries()) {
    const { notes, ...video } = await muxedVideo(one.source, one, work, segments, at + 1);
    made.push({ ...video, notes: notes.map((note) => `${one.destination.display}: ${note}`) });
  }
  return made;
}
