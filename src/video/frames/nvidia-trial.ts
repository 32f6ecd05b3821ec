/**
 * Finds out whether NVDEC and NVENC work by using them: drivers, FFmpeg and devices may claim what is not so.
 */

import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { JobError, messageOf } from '../../system/errors.js';
import type { EncodeSpec } from '../codecs/codec.js';
import { FfmpegFailure, firstError } from '../ffmpeg/ffmpeg-messages.js';
import { codesPerLevel, type FrameLayout, frameBytes, I420, samplesOf } from '../formats/frame-format.js';
import { openNutFile } from '../formats/nut.js';
import type { SourceFacts } from '../source/source-facts.js';
import { type Encoder, openEncoder } from './encode.js';
import { openRawFrames, type RawFrames } from './raw-frames.js';
import type { WirePlan } from './wire.js';

export interface Failed {
  readonly works: false;
  readonly why: string;
}

export type DecodeTrial = { readonly works: true } | Failed;

/**
 * `header` identifies the codec headers that an encoder writes: segments can be joined only if it is the
 * same.
 */
export type EncodeTrial = { readonly works: true; readonly header: string } | Failed;

/** Frames that are decoded both ways, and frames that are encoded. */
const FRAMES = 16;
/** CUDA takes seconds to start on a machine with many devices if nothing keeps the driver loaded. */
const TRIAL_MS = 30_000;

/**
 * Decodes the first frames of a video by NVDEC on CUDA device `gpu` and in software, as a job would, and
 * compares all samples and times. Never rejects. Ends within `limitMs` even if the driver hangs.
 */
export function tryNvdec(
  source: SourceFacts,
  wire: WirePlan,
  gpu: number,
  limitMs = TRIAL_MS,
): Promise<DecodeTrial> {
  const opened: RawFrames[] = [];
  const open = async (device: number | undefined): Promise<RawFrames> => {
    const frames = await openRawFrames(source, wire, {
      ...{ tolerant: false, threads: undefined, from: undefined },
      gpu: device,
    });
    opened.push(frames);
    return frames;
  };
  const close = async (): Promise<void> => {
    await Promise.all(opened.map((frames) => frames[Symbol.asyncDispose]()));
  };
  return limited(compare(open, gpu, wire), close, limitMs);
}

async function compare(
  open: (gpu: number | undefined) => Promise<RawFrames>,
  gpu: number,
  { format }: WirePlan,
): Promise<DecodeTrial> {
  const bytes = frameBytes(format);
  const [mine, theirs] = [new Uint8Array(bytes), new Uint8Array(bytes)];
  const read = async (frames: RawFrames, into: Uint8Array): Promise<number | undefined> => {
    const pts = await frames.next();
    if (pts !== undefined) await frames.pixels(into);
    return pts;
  };
  const nvdec = await open(gpu);
  const first = await read(nvdec, mine);
  const software = await open(undefined);
  for (let frame = 0; frame < FRAMES; frame += 1) {
    const pts = frame === 0 ? first : await read(nvdec, mine);
    const same = pts === (await read(software, theirs)) && Buffer.compare(mine, theirs) === 0;
    if (!same) return failed(`its frame ${frame} differs from the one that software decodes`);
    if (pts === undefined) break;
  }
  if (nvdec.decodedFormat === 'nv12') return { works: true };
  return failed(firstError(nvdec.messages()) ?? 'this ffmpeg still decodes the video in software');
}

/**
 * Encodes a few frames with NVENC on CUDA device `gpu` in `folder`, as a job would. Never rejects. Ends
 * within `limitMs` even if the driver hangs.
 */
export function tryNvenc(
  spec: EncodeSpec,
  gpu: number,
  folder: string,
  limitMs = TRIAL_MS,
): Promise<EncodeTrial> {
  const path = join(folder, 'nvenc-trial.nut');
  const encoder = openEncoder({ ...spec, gpu }, path);
  const encode = async (): Promise<EncodeTrial> => {
    await encodeGrey(encoder, spec);
    await using file = await openNutFile(path);
    const hash = createHash('sha256').update(file.streams[0]?.extradata ?? '');
    return { works: true, header: hash.digest('hex').slice(0, 8) };
  };
  const end = async (): Promise<void> => {
    await encoder.abort();
    await rm(path, { force: true });
  };
  return limited(encode(), end, limitMs);
}

/** Encodes a few frames, each in another grey, as a whole segment. */
export async function encodeGrey(encoder: Encoder, layout: FrameLayout): Promise<void> {
  const frame = new Uint8Array(frameBytes(layout));
  const samples = samplesOf(frame, layout.sample);
  for (let n = 0; n < FRAMES; n += 1) {
    samples.fill((16 + 8 * n) * codesPerLevel(layout.sample));
    await encoder.write(frame);
  }
  await encoder.finish();
}

/** Returns the specification of H.264 at a job's defaults, for a trial without a job. */
export function plainSpec(width: number, height: number): EncodeSpec {
  return {
    ...{ codec: 'h264', crf: 18, preset: 'medium', pixelFormat: 'yuv420p', matrix: 'bt601' },
    ...{ width, height, sample: I420, rate: { num: 25, den: 1 }, keyframeInterval: 100 },
    ...{ threads: 1, picturesAtOnce: 1 },
    tags: {
      ...{ matrix: undefined, primaries: undefined, transfer: undefined, range: 'limited' },
      chromaLocation: undefined,
    },
    sampleAspectRatio: undefined,
  };
}

/**
 * Returns the outcome of `trial`, or that it failed. `end` stops what it started; it is not waited for if the
 * trial hangs.
 */
async function limited<T>(
  trial: Promise<T | Failed>,
  end: () => Promise<void>,
  limitMs: number,
): Promise<T | Failed> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, limitMs, 'late');
  });
  const outcome = await Promise.race([trial.catch((error: unknown) => failed(reason(error))), late]);
  clearTimeout(timer);
  const ending = end().catch(() => {}); // of something that is not to be used
  if (outcome !== 'late') {
    await ending;
    return outcome;
  }
  // The trial may be about to start something more.
  void trial.catch(() => {}).then(() => end().catch(() => {}));
  return failed(`the driver did not answer within ${limitMs / 1000} s`);
}

function failed(why: string): Failed {
  return { works: false, why };
}

/** Returns ffmpeg's first error: later ones follow from it. */
function reason(error: unknown): string {
  const failure = error instanceof JobError && error.cause instanceof FfmpegFailure ? error.cause : error;
  return (failure instanceof FfmpegFailure ? failure.first : undefined) ?? messageOf(error);
}
