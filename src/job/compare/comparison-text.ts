/** The result of a comparison in a few lines for people. Pure. */

import { clockText } from '../preview/clock-times.js';
import { counted } from '../report/summary.js';
import { type ComparisonReport, WARPING_UNIT, type WorstValue } from './comparison-facts.js';

/** PSNR from which differences are hardly visible, and below which they are plainly so. In dB. */
const HARDLY_SEEN = 45;
const PLAIN = 30;
/** Warping errors that differ by less than this part count as the same. */
const SAME_FLICKER = 0.02;

/** One measure: its name, its value, and what the value means. */
export interface Measure {
  readonly name: string;
  readonly value: string;
  /** Its parts, and its worst frame. */
  readonly details: readonly string[];
  readonly meaning: string;
}

/** Returns the sentence that answers the question whether the videos are the same. */
export function verdict({ frames, sameFrames, sameFiles, psnr, reference, other }: ComparisonReport): string {
  const isWhole = [reference, other].every(({ pixelFormat }) => /^yuvj?420p$/.test(pixelFormat));
  const same = isWhole ? 'bit for bit the same' : 'the same at 8 bits, 4:2:0';
  if (sameFiles) return `the same file: every byte, and all ${counted(frames, 'frame')}`;
  if (sameFrames === frames) return `${same}: all ${counted(frames, 'frame')}`;
  const seen =
    psnr.all === null || psnr.all >= HARDLY_SEEN
      ? 'hardly visible'
      : psnr.all < PLAIN
        ? 'plainly visible'
        : 'small';
  return `${frames - sameFrames} of ${counted(frames, 'frame')} differ, ${sameFrames} are ${same}; the difference is ${seen}`;
}

/** Returns all measures. */
export function measuresOf(report: ComparisonReport): readonly Measure[] {
  const { psnr, ssim, vmaf } = report;
  return [
    {
      name: 'PSNR',
      value: decibels(psnr.all),
      details: [
        ...(psnr.all === null ? [] : [`Y ${decibels(psnr.y)}, U ${decibels(psnr.u)}, V ${decibels(psnr.v)}`]),
        ...(psnr.meanOfFrames === null
          ? []
          : [`mean of the frames that differ ${decibels(psnr.meanOfFrames)}`]),
        ...worstText(psnr.worst, decibels),
      ],
      meaning: `of the mean squared error; higher is closer, from ${HARDLY_SEEN} dB on hardly visible`,
    },
    ...(ssim === null
      ? []
      : [
          {
            name: 'SSIM',
            value: fraction(ssim.all),
            details: [
              `Y ${fraction(ssim.y)}, U ${fraction(ssim.u)}, V ${fraction(ssim.v)}`,
              ...(ssim.all === 1 ? [] : worstText(ssim.worst, fraction)),
            ],
            meaning: '1 is the same',
          },
        ]),
    {
      name: 'VMAF',
      value: vmaf === null ? 'not measured' : points(vmaf.mean),
      details: vmaf === null ? [] : worstText(vmaf.worst, points),
      meaning: vmaf === null ? 'this FFmpeg has no libvmaf' : 'of 100; higher is closer',
    },
    flickerOf(report),
  ];
}

/** Returns the result as a table of plain text, without line ends. */
export function comparisonLines(report: ComparisonReport): readonly string[] {
  const { reference, other, source, notes } = report;
  const names = [
    ['A', reference],
    ['B', other],
    ...(source === null ? [] : ([['source', source]] as const)),
  ] as const;
  const width = 9;
  const files = names.map(
    ([name, { path, width: across, height, codec }]) =>
      `${name.padEnd(width)}${path}: ${across}x${height} ${codec}`,
  );
  const measures = measuresOf(report).flatMap(({ name, value, details, meaning }) => [
    `${name.padEnd(width)}${value} (${meaning})`,
    ...details.map((detail) => `${' '.repeat(width)}${detail}`),
  ]);
  return [
    ...files,
    `${'frames'.padEnd(width)}${verdict(report)}`,
    ...measures,
    ...notes.map((note) => `${'note'.padEnd(width)}${note}`),
  ];
}

/** Returns a frame's number and time: `frame 57 at 0:02.28`. */
export function frameText({ frame, seconds }: Pick<WorstValue, 'frame' | 'seconds'>): string {
  return `frame ${frame} at ${clockText(seconds)}`;
}

/** Returns PSNR with its unit; null is no difference. */
export function decibels(value: number | null): string {
  return value === null ? 'no difference' : `${value.toFixed(2)} dB`;
}

function flickerOf({ warpingError, reference, source }: ComparisonReport): Measure {
  const { reference: own, other: its, source: given, width, height, pairs, cuts, seen } = warpingError;
  const name = 'warping';
  if (own === null || its === null)
    return {
      ...{ name, value: 'not measured', details: [] },
      meaning: 'no two frames follow each other within a scene',
    };
  const change = own === 0 ? (its === 0 ? 0 : Number.POSITIVE_INFINITY) : its / own - 1;
  const flickers =
    Math.abs(change) < SAME_FLICKER
      ? 'B flickers as much as A'
      : `B flickers ${change > 0 ? 'more' : 'less'} than A${Number.isFinite(change) ? ` by ${Math.round(100 * Math.abs(change))} %` : ''}`;
  return {
    name,
    value: `A ${thousandths(own)}, B ${thousandths(its)}${given === null ? '' : `, source ${thousandths(given)}`}`,
    details: [
      flickers,
      `by the motion of ${(source ?? reference).path}, at ${width}x${height}: ${counted(pairs, 'pair')} of frames, ${Math.round(100 * seen)} % of their pixels${cuts === 0 ? '' : `; ${counted(cuts, 'cut')} left out`}`,
    ],
    meaning: `error times ${WARPING_UNIT}; lower means less flicker`,
  };
}

function worstText(worst: WorstValue | null, text: (value: number) => string): readonly string[] {
  return worst === null ? [] : [`worst ${text(worst.value)}, ${frameText(worst)}`];
}

function fraction(value: number | null): string {
  return value === null ? '' : value.toFixed(5);
}

function points(value: number | null): string {
  return value === null ? '' : value.toFixed(2);
}

function thousandths(value: number): string {
  return (WARPING_UNIT * value).toFixed(2);
}
