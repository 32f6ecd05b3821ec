/** VMAF of two videos, by FFmpeg's filter libvmaf, where FFmpeg has it. */
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { JobError } from '../../system/errors.js';
import { isPlainObject } from '../../system/plain-object.js';
import { runFfmpeg } from '../ffmpeg/ffmpeg.js';
import { hasFilter } from '../ffmpeg/ffmpeg-facts.js';
import { wireColours } from '../frames/decode-colour.js';
import type { WirePlan } from '../frames/wire.js';
import type { SourceFacts } from '../source/source-facts.js';

/** A video, and how its frames are made what they are compared as. */
export interface VmafInput {
  readonly source: SourceFacts;
  readonly wire: WirePlan;
}

/** The name of the log in its folder. */
const LOG = 'vmaf.json';
/**
 * Frames are paired by their order: each gets its number as its time. Both get the same colour tags, since
 * FFmpeg 7 would convert one to the other's.
 */
const PAIRED = 'setparams=range=tv:colorspace=bt709,settb=1/1000,setpts=N';

/**
 * Returns the VMAF of each frame, from 0 to 100, by libvmaf's default model; undefined if FFmpeg lacks the
 * filter. The videos have frames of one size and equally many.
 *
 * @throws {JobError} ffmpeg: when FFmpeg fails, or gives no value for some frame.
 */
export async function vmafOf(
  reference: VmafInput,
  other: VmafInput,
  {
    frames,
    folder,
    signal,
  }: { readonly frames: number; readonly folder: string; readonly signal: AbortSignal },
): Promise<readonly number[] | undefined> {
  if (!(await hasFilter('libvmaf'))) return undefined;
  const path = join(folder, LOG);
  // The other video comes first: the filter's main input is the distorted one.
  const graph = [
    `[0:${other.source.video.index}]${chainOf(other)}[other]`,
    `[1:${reference.source.video.index}]${chainOf(reference)}[reference]`,
    `[other][reference]libvmaf=log_fmt=json:log_path=${escaped(path)}:n_threads=${availableParallelism()}`,
  ].join(';');
  await runFfmpeg(
    {
      task: `measuring VMAF of "${other.source.path}"`,
      inputs: [other, reference].map(({ source }) => ({
        from: { file: source.path },
        options: [...source.openOptions, '-noautorotate'],
      })),
      outputs: [{ to: 'null', options: ['-filter_complex', graph, '-an', '-fps_mode', 'passthrough'] }],
    },
    { signal },
  );
  const scores = scoresIn(JSON.parse(await readFile(path, 'utf8')));
  if (scores.length === frames) return scores;
  throw new JobError('ffmpeg', `FFmpeg measured VMAF of ${scores.length} frames, and there are ${frames}`);
}

function chainOf({ source, wire }: VmafInput): string {
  return [...wireColours(source.video, wire), ...wire.filters, `format=${wire.pixelFormat}`, PAIRED].join(
    ',',
  );
}

/** Returns the scores in libvmaf's log. */
function scoresIn(log: unknown): readonly number[] {
  const frames = isPlainObject(log) && Array.isArray(log.frames) ? log.frames : [];
  return frames.flatMap((frame: unknown) => {
    const metrics = isPlainObject(frame) ? frame.metrics : undefined;
    const score = isPlainObject(metrics) ? metrics.vmaf : undefined;
    return typeof score === 'number' ? [score] : [];
  });
}

/** Returns a file name as the value of a filter's option: escaped for the option, and again for the graph. */
function escaped(path: string): string {
  return path.replace(/[\\':]/g, '\\$&').replace(/[\\'[\],;]/g, '\\$&');
}
