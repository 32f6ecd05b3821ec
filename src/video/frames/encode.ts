/** Encodes raw frames with ffmpeg into one segment of packets. */

import { rm } from 'node:fs/promises';
import { syncFile } from '../../system/durable.js';
import { JobError, messageOf } from '../../system/errors.js';
import type { EncodeSpec } from '../codecs/codec.js';
import { encoderOptions } from '../codecs/encoder-options.js';
import { type FfmpegProcess, startFfmpeg } from '../ffmpeg/ffmpeg.js';
import { type OutgoingPipe, outgoingPipe } from '../ffmpeg/pipe.js';
import { frameBytes } from '../formats/frame-format.js';
import { checkSegment } from '../formats/nut.js';
import type { Rational } from '../formats/rational.js';

/** A kind of file that an encoder writes. */
export interface EncodedFile {
  /** ffmpeg's output options, after those of the codec. */
  readonly options: readonly string[];
  /**
   * Checks that the file holds so many frames.
   *
   * @throws {JobError} when it does not.
   */
  check(path: string, frames: number, rate: Rational): Promise<void>;
}

/** NUT: packets that begin with a keyframe and refer to nothing before it. */
const SEGMENT: EncodedFile = {
  options: [
    '-xerror', // Without it ffmpeg exits with 0 even if it could not write the end of the file.
    ...['-fflags', '+bitexact', '-avoid_negative_ts', 'disabled', '-f', 'nut', '-write_index', '0'],
  ],
  check: checkSegment,
};

/** Takes the frames of one segment. */
export interface Encoder {
  /**
   * Takes one frame in wire format; resolves when its buffer may be reused. One call at a time. Messages
   * name the file.
   *
   * @throws {JobError} output: when the file cannot be written.
   * @throws {JobError} ffmpeg: when anything else fails.
   */
  write(frame: Uint8Array): Promise<void>;
  /** Ends the segment: all frames are encoded, counted, and flushed to the disk. Throws as `write`. */
  finish(): Promise<void>;
  /** Stops ffmpeg and removes the file. Idempotent, and allowed right after a failure. */
  abort(): Promise<void>;
}

const NVENC_HINT =
  'NVENC failed: run the same command where NVENC works to resume, or add --hwaccel none --restart to start over in software';

/**
 * Starts encoding into a file at `segmentPath`: by default one segment. Frame n has PTS n in units of
 * 1 / `spec.rate`. `write` and `finish` throw the errors.
 */
export function openEncoder(spec: EncodeSpec, segmentPath: string, file: EncodedFile = SEGMENT): Encoder {
  const bytes = frameBytes(spec);
  const started = start(spec, segmentPath, file);
  started.catch(() => undefined);
  let frames = 0;
  let aborted: Promise<void> | undefined;

  async function abort(): Promise<void> {
    const running = await started.catch(() => undefined);
    await running?.[Symbol.asyncDispose]();
    await running?.pipe.end();
    await rm(segmentPath, { force: true });
  }

  return {
    async write(frame) {
      if (frame.length !== bytes) {
        throw new JobError('internal', `a frame of ${frame.length} bytes for an encoder of ${bytes}`);
      }
      const { pipe, done } = await started.catch((error: unknown) => refuse(spec, segmentPath, error));
      try {
        await pipe.write(frame);
      } catch (error) {
        await done.catch((failure: unknown) => refuse(spec, segmentPath, failure));
        throw new JobError('ffmpeg', `ffmpeg ended before "${segmentPath}" was complete`, { cause: error });
      }
      frames += 1;
    },

    async finish() {
      try {
        const { pipe, done } = await started;
        await pipe.end();
        await done;
        await file.check(segmentPath, frames, spec.rate);
        await syncFile(segmentPath);
      } catch (error) {
        refuse(spec, segmentPath, error);
      }
    },

    abort() {
      aborted ??= abort();
      return aborted;
    },
  };
}

/** An ffmpeg that encodes, and the pipe that takes its frames. */
interface Encoding extends FfmpegProcess {
  readonly pipe: OutgoingPipe;
}

async function start(spec: EncodeSpec, segmentPath: string, file: EncodedFile): Promise<Encoding> {
  const { width, height, sample, rate } = spec;
  const { plain } = sample.pixelFormats;
  const input = ['-f', 'rawvideo', '-pixel_format', plain, '-video_size', `${width}x${height}`];
  const options = [...(await encoderOptions(spec)), ...file.options];
  const pipe = outgoingPipe();
  try {
    const run = await startFfmpeg(
      {
        task: `encoding "${segmentPath}"`,
        // `-framerate` alone would be rounded to a usual rate near it, and a rate with a slash to a ratio
        // near it.
        inputs: [{ from: 'stdin', options: [...input, '-r', `${rate.num}:${rate.den}`] }],
        outputs: [{ to: { file: segmentPath }, options }],
      },
      { stdin: pipe.childEnd },
    );
    return { ...run, pipe };
  } catch (error) {
    await pipe.end();
    throw error;
  }
}

function refuse({ gpu }: EncodeSpec, segmentPath: string, error: unknown): never {
  const said = messageOf(error);
  const hint = /No space left|quota exceeded|File too large|ENOSPC|EDQUOT/i.test(said)
    ? 'make room on that file system and run the same command again'
    : /No such file or directory/i.test(said)
      ? 'its folder disappeared while the job ran: put it back and run the same command again'
      : undefined;
  if (hint === undefined && gpu !== undefined && error instanceof JobError && error.code === 'ffmpeg')
    throw new JobError('ffmpeg', said, { hint: NVENC_HINT, cause: error });
  if (hint === undefined) throw error;
  const message = said.includes(segmentPath) ? said : `"${segmentPath}" cannot be written: ${said}`;
  throw new JobError('output', message, { hint, cause: error });
}
