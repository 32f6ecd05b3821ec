/** A preview as a video: a few seconds of the source beside what a model makes of them. */
import { join } from 'node:path';
import type { FrameSource } from '../../pipeline/decode-stage.js';
import type { FrameSink } from '../../pipeline/encode-stage.js';
import type { Log } from '../../report/log.js';
import { JobError } from '../../system/errors.js';
import type { StopRequest } from '../../system/stop.js';
import type { Container } from '../../video/formats/container.js';
import { frameBytes } from '../../video/formats/frame-format.js';
import { type Encoder, openEncoder } from '../../video/frames/encode.js';
import { isSideways, turnedSize, turnFrame } from '../../video/frames/turn-frame.js';
import { videoFile } from '../../video/frames/video-file.js';
import { nominalRate } from '../../video/source/frame-rate.js';
import { ENCODER_WORK } from '../journal/work.js';
import { encodeSpec } from '../prepare/prepare.js';
import { withDisplayName } from '../prepare/source.js';
import { clockText, spreadTimes } from './clock-times.js';
import type { ComposedVariant } from './composed.js';
import { guardedEnds } from './guarded-ends.js';
import { frameOf, openMoment, replayed, runOf } from './moments.js';
import type { PreviewedVideo } from './preview-input.js';
import type { PreviewForm, PreviewOptions } from './preview-options.js';
import type { PreviewWork } from './preview-work.js';
import { joiner, repeatPixels } from './side-by-side.js';

interface ComparisonRequest {
  readonly options: PreviewOptions;
  readonly form: PreviewForm & { readonly kind: 'comparison' };
  readonly input: PreviewedVideo;
  readonly model: ComposedVariant;
  readonly container: Container;
  /** Folder for the file. */
  readonly folder: string;
  readonly log: Log;
  readonly stop: StopRequest;
}

/**
 * Finds the first frame, and opens the encoder.
 *
 * @throws {JobError} as `openMoment` and `encodeSpec`.
 */
export async function openComparison(request: ComparisonRequest): Promise<PreviewWork> {
  const { options, form, input, model, container, folder, log, stop } = request;
  const { source, wire, file } = input;
  const { output, needs, scale } = model;
  if (output === undefined) throw new JobError('internal', 'a video is compared as frames');
  const { displayMatrix: matrix, duration, averageRate } = source.video;
  const rate = nominalRate(averageRate);
  const count = Math.max(1, Math.round((form.seconds * rate.num) / rate.den));
  const length = duration ?? source.duration;
  const [middle = 0] = spreadTimes(length, 1);
  const at = options.at?.[0] ?? Math.max(0, middle - form.seconds / 2);

  const joined = joiner({ ...output, ...turnedSize(output, matrix) }, form.layout);
  const aspect = wire.sampleAspectRatio;
  const turned = aspect !== undefined && isSideways(matrix) ? { num: aspect.den, den: aspect.num } : aspect;
  const spec = {
    ...encodeSpec(options, { ...wire, sampleAspectRatio: turned }, joined.format, rate, count),
    ...ENCODER_WORK,
  };
  const { tolerant } = options;
  const moment = await withDisplayName(file, () =>
    openMoment({ source, wire, tolerant, needs: [needs], stopped: stop.aborted }, at),
  );
  const path = join(folder, `comparison.${container.name}`);
  const encoder: Encoder = openEncoder(spec, path, videoFile(container, options.codec));
  const began = frameOf(moment).pts;
  const sources = new Map<number, Uint8Array>();
  let left = count;
  let frames = 0;

  /** Keeps the source's frames until their results come. */
  const kept = (from: FrameSource): FrameSource => ({
    async read(into) {
      const pts = await from.read(into);
      if (pts !== undefined && pts >= began && left > 0) {
        sources.set(pts, into.slice());
        left -= 1;
      }
      return pts;
    },
  });

  const sink: FrameSink = {
    async write(row, pts) {
      const frame = sources.get(pts);
      if (pts < began || frame === undefined) return;
      sources.delete(pts);
      const larger = repeatPixels(frame, wire.format, scale);
      const before = turnFrame(larger.frame, larger.format, matrix).frame;
      const after = turnFrame(row.subarray(0, frameBytes(output)), output, matrix).frame;
      await encoder.write(joined.join(before, after));
      frames += 1;
    },
  };

  const after = moment.ended ? undefined : moment.decoder;
  const run = runOf(moment, needs, count, after);
  const single = first(kept(replayed(moment, moment.number, after)), count);
  const ends = guardedEnds(single, [{ ...run, decoder: kept(run.decoder) }], sink, stop);
  return {
    parts: [{ model, ends }],
    async finish() {
      for (const line of moment.decoder.warnings) log.warn(line);
      await encoder.finish();
      const { width, height } = joined.format;
      return { path, content: `${frames} frames from ${clockText(at)} on, ${width}x${height}` };
    },
    async [Symbol.asyncDispose]() {
      await encoder.abort();
      await moment[Symbol.asyncDispose]();
    },
  };
}

/** Returns the first `count` frames of a source. */
function first(source: FrameSource, count: number): FrameSource {
  let left = count;
  return {
    async read(into) {
      left -= 1;
      return left < 0 ? undefined : source.read(into);
    },
  };
}
