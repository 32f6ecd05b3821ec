/** Compares two videos: opens them, measures them, and gives the result. */
import { realpath } from 'node:fs/promises';
import { createLog, progressForm } from '../../report/log.js';
import { printable, printableJson } from '../../report/printable.js';
import { showProgress } from '../../report/progress.js';
import { JobError } from '../../system/errors.js';
import { fileDigest } from '../../system/file-digest.js';
import { openScratch } from '../../system/scratch.js';
import { watchForStop } from '../../system/stop.js';
import { vmafOf } from '../../video/compare/vmaf.js';
import { ffmpegVersion } from '../../video/ffmpeg/ffmpeg-facts.js';
import type { StorageContext } from '../context/storage-context.js';
import { refuseStopped } from '../preview/guarded-ends.js';
import { refuseForeignReport, writeReport } from '../report/write-report.js';
import type { CompareOptions } from './compare-options.js';
import { comparisonReport, type VideoFacts } from './comparison-facts.js';
import { comparisonLines } from './comparison-text.js';
import { type ComparedFormats, type Measured, measure } from './measure.js';
import { type ComparedVideo, type ComparedVideos, openVideos } from './open-videos.js';
import { pairedFrames } from './paired-frames.js';

/**
 * Compares two videos, prints the result, and writes the report if one was asked for.
 *
 * @throws {JobError} when they cannot be compared, or the report cannot be written.
 */
export async function compareVideos(options: CompareOptions, version: string): Promise<void> {
  const { logFormat, verbosity, report: target } = options;
  const form = progressForm('auto', logFormat, verbosity, process.stderr.isTTY === true);
  const log = createLog(logFormat, verbosity, undefined, form);
  if (target !== undefined) await refuseForeignReport(target);
  await using scratch = openScratch();
  using stop = watchForStop(() => {});
  try {
    const { report, measured, formats } = await compared(options, version, {
      ...{ log, scratch, stopped: stop.aborted },
    });
    if (target !== undefined) {
      const page = async (): Promise<string> => {
        const { differenceImages } = await import('./difference-images.js');
        const { comparisonPage } = await import('./comparison-page.js');
        return comparisonPage(report, await differenceImages(measured.worst, formats));
      };
      await writeReport(target, { json: report, page });
    }
    const lines = options.json ? [printableJson(report, 2)] : comparisonLines(report).map(printable);
    process.stdout.write(lines.map((line) => `${line}\n`).join(''));
  } catch (error) {
    refuseStopped(stop);
    throw error;
  }
}

/** Compares the videos frame by frame. */
async function compared(options: CompareOptions, version: string, storage: StorageContext) {
  const videos = await openVideos(options, storage);
  const { reference, other, source, notes } = videos;
  const formats: ComparedFormats = {
    reference: reference.wire.format,
    other: other.wire.format,
    source: (source ?? reference).wire.format,
    hasSource: source !== undefined,
  };
  const { width, height } = formats.reference;
  const [own, its] = [reference.copy.display, other.copy.display];
  storage.log.info(`comparing "${own}" and "${its}", ${width}x${height}`);
  const odd: string[] = [];
  const measured = await measuredFrames(videos, formats, storage, (note) => odd.push(note));
  const frames = measured.values.seconds.length;
  if (frames === 0)
    throw new JobError('input', `"${reference.copy.display}" has no frame that can be decoded`);
  const { stopped: signal, scratch } = storage;
  const vmaf = await vmafOf(
    { source: reference.facts, wire: reference.wire },
    { source: other.facts, wire: other.wire },
    { frames, folder: await scratch.folder(), signal },
  );
  const report = comparisonReport(
    {
      version,
      reference: namedFacts(reference),
      other: namedFacts(other),
      source: source === undefined ? null : namedFacts(source),
      sameFiles: await areSameFiles(reference, other),
      vmaf,
      notes: [...notes, ...odd],
      finished: new Date().toISOString(),
      ffmpeg: await ffmpegVersion(),
    },
    measured,
  );
  return { report, measured, formats };
}

async function measuredFrames(
  videos: ComparedVideos,
  formats: ComparedFormats,
  { log, stopped }: StorageContext,
  tell: (note: string) => void,
): Promise<Measured> {
  using progress = showProgress(log, videos.reference.facts.video.frames, 0, () => 0);
  return await measure(pairedFrames(videos, stopped, tell), formats, () => progress.advance());
}

function namedFacts({ copy, facts, wire }: ComparedVideo): VideoFacts {
  const { width, height } = wire.format;
  const { codec, pixelFormat } = facts.video;
  return { path: copy.display, bytes: facts.bytes, width, height, codec, pixelFormat };
}

async function areSameFiles(reference: ComparedVideo, other: ComparedVideo): Promise<boolean> {
  if (reference.facts.bytes !== other.facts.bytes) return false;
  const [own, its] = await Promise.all([reference, other].map(digestOf));
  return own === its;
}

/** Returns the digest of a video's file. Here a link is followed: it is read, and nothing else. */
async function digestOf({ facts }: ComparedVideo): Promise<string> {
  return fileDigest(await realpath(facts.path));
}
