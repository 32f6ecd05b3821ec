/** Options that say nothing about pictures. Pure. */
import { JobError } from '../../system/errors.js';
import { tableFormatNamed } from '../../table/write.js';
import { KEEP_STREAMS } from '../../video/streams/stream-choices.js';
import type { RunOptions } from '../context/options.js';

/** Options of videos alone, with the value that they have where nobody gives them. */
const OF_VIDEOS = {
  codec: 'h264',
  crf: undefined,
  bitrate: undefined,
  preset: undefined,
  depth: 'auto',
  chroma: 'auto',
  format: undefined,
  segmentSeconds: 4,
  split: 'frames',
  schedule: 'even',
  hwaccel: 'none',
  tolerant: false,
  video: undefined,
  frameSize: undefined,
  table: undefined,
  every: 1,
  fps: undefined,
  cutThreshold: undefined,
  steady: 0,
  tile: 'auto',
  trace: undefined,
  plan: undefined,
  ...KEEP_STREAMS,
} as const satisfies Partial<RunOptions>;

/**
 * Refuses options that have no effect on pictures.
 *
 * @throws {JobError} usage: when one is given.
 */
export function refuseVideoOptions(options: RunOptions): void {
  const given = (Object.keys(OF_VIDEOS) as (keyof typeof OF_VIDEOS)[]).find(
    (name) => options[name] !== OF_VIDEOS[name],
  );
  if (options.outputs.size > 0)
    throw new JobError('usage', '--output does not apply to pictures, which have one table', {
      hint: 'omit it: the first table of the model is written',
    });
  if (options.part !== undefined)
    throw new JobError(
      'usage',
      '--from, --to, --duration and --frames take a part of a video, not of pictures',
      {
        hint: 'they are for videos: omit them',
      },
    );
  if (options.encoderOptions.length > 0) throw ofVideos('encoder-option');
  if (given === undefined) return;
  const ofTable = given === 'table' || tableFormatNamed(options.format) !== undefined;
  if (given === 'frameSize') throw ofVideos(options.frameSize?.kind === 'at most' ? 'max-size' : 'resize');
  const option = given.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new JobError('usage', `--${option} does not apply to pictures`, {
    hint: ofTable ? 'give the table as OUTPUT, in a run of its own' : 'it is for videos: omit it',
  });
}

function ofVideos(option: string): JobError {
  return new JobError('usage', `--${option} does not apply to pictures`, {
    hint: 'it is for videos: omit it',
  });
}
