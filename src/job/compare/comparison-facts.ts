/** The result of a comparison: the same facts for people, for programs and for the page. Pure. */
import { psnrOf } from '../../video/compare/sameness.js';
import { type Measured, psnrOfFrames } from './measure.js';

/** A video, as the report names it. */
export interface VideoFacts {
  readonly path: string;
  readonly bytes: number;
  readonly width: number;
  readonly height: number;
  readonly codec: string;
  readonly pixelFormat: string;
}

/** A frame with its value; frames count from 1, and seconds from the first frame. */
export interface WorstValue {
  readonly frame: number;
  readonly seconds: number;
  readonly value: number;
}

/** Facts that are not measured frame by frame. */
export interface Compared {
  readonly version: string;
  readonly reference: VideoFacts;
  readonly other: VideoFacts;
  /** The video whose motion was followed, if it was given. */
  readonly source: VideoFacts | null;
  /** True if both files have the same bytes. */
  readonly sameFiles: boolean;
  /** VMAF of each frame; undefined: FFmpeg lacks libvmaf. */
  readonly vmaf: readonly number[] | undefined;
  readonly notes: readonly string[];
  /** ISO 8601, in UTC. */
  readonly finished: string;
  readonly ffmpeg: string;
}

/** Values of PSNR, in dB. Null: the samples are the same, and PSNR is infinite. */
export interface PsnrFacts {
  readonly y: number | null;
  readonly u: number | null;
  readonly v: number | null;
  /** Of all samples: the PSNR of the mean squared error over all frames. */
  readonly all: number | null;
  /** The mean of the PSNR of the frames that differ. */
  readonly meanOfFrames: number | null;
  readonly worst: WorstValue | null;
}

/** The report of a comparison, as JSON. */
export type ComparisonReport = ReturnType<typeof comparisonReport>;

/** The warping error is small: it is shown times this. */
export const WARPING_UNIT = 1000;
/** Digits after the point in the report's values. */
const DIGITS = 8;

/** Returns the report of a comparison. */
export function comparisonReport(compared: Compared, { values, sameFrames, flow }: Measured) {
  const { vmaf, ...facts } = compared;
  const { seconds, ssim, warping } = values;
  const psnr = psnrOfFrames(values);
  const ssims = ssim.map(([, , , all]) => all);
  const mean = (list: readonly (number | undefined)[]): number | null => meanOf(list.filter(isKnown));
  return {
    report: 1,
    kind: 'comparison',
    ...facts,
    frames: seconds.length,
    seconds: rounded(seconds.at(-1) ?? 0),
    sameFrames,
    psnr: psnrFacts(values.errors, psnr, seconds),
    ssim:
      ssim.length === 0
        ? null
        : {
            ...{ y: mean(ssim.map(([y]) => y)), u: mean(ssim.map(([, u]) => u)) },
            ...{ v: mean(ssim.map(([, , v]) => v)), all: mean(ssims), worst: worstOf(ssims, seconds) },
          },
    vmaf: vmaf === undefined ? null : { mean: mean(vmaf), worst: worstOf(vmaf, seconds) },
    warpingError: {
      reference: mean(warping.reference),
      other: mean(warping.other),
      source: mean(warping.source),
      ...flow,
    },
    perFrame: {
      seconds: seconds.map(rounded),
      psnr: psnr.map(orNull),
      ssim: ssims.map(rounded),
      vmaf: (vmaf ?? []).map(rounded),
      warpingErrorOfReference: warping.reference.map(orNull),
      warpingErrorOfOther: warping.other.map(orNull),
    },
  };
}

function psnrFacts(
  errors: Measured['values']['errors'],
  ofFrames: readonly (number | undefined)[],
  seconds: readonly number[],
): PsnrFacts {
  const [y, u, v, all] = [0, 1, 2, 3].map((part) => {
    const error = meanOf(errors.map((one) => one[part] ?? 0));
    return error === null || error === 0 ? null : rounded(psnrOf(error));
  });
  const known = ofFrames.filter(isKnown);
  return {
    ...{ y: y ?? null, u: u ?? null, v: v ?? null, all: all ?? null, meanOfFrames: meanOf(known) },
    worst: worstOf(ofFrames, seconds),
  };
}

/** Returns the lowest value and its frame. */
function worstOf(values: readonly (number | undefined)[], seconds: readonly number[]): WorstValue | null {
  let at: number | undefined;
  for (const [index, value] of values.entries())
    if (value !== undefined && value < (values[at ?? -1] ?? Number.POSITIVE_INFINITY)) at = index;
  if (at === undefined) return null;
  return { frame: at + 1, seconds: rounded(seconds[at] ?? 0), value: rounded(values[at] ?? 0) };
}

function meanOf(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  return rounded(values.reduce((sum, value) => sum + value, 0) / values.length);
}

function orNull(value: number | undefined): number | null {
  return value === undefined ? null : rounded(value);
}

function rounded(value: number): number {
  return Number(value.toFixed(DIGITS));
}

function isKnown(value: number | undefined): value is number {
  return value !== undefined;
}
