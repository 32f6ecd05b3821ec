/** The last lines of a job in the log. */
import { STAGES } from '../../pipeline/stages.js';
import { clock, type Unit } from '../../report/progress.js';
import { LIMIT_NAMES, type Limits, limitsOf, type PipelineFacts, stageTimes } from './limits.js';
import type { Cost, Planned } from './planned.js';

/** The facts that the summary tells. */
export interface SummaryFacts extends PipelineFacts {
  readonly input: Readonly<Record<string, string | number | undefined>>;
  readonly output: Readonly<Record<string, string | number | undefined>>;
  readonly frames: number;
  /** Seconds of the video, from its first frame to the end of its last one. */
  readonly videoSeconds: number;
  readonly resumes: number;
  readonly wallSeconds: number;
  /** What was planned, if the job was given a plan; and what it cost, if it was given a price. */
  readonly planned?: Planned;
  readonly cost?: Cost;
}

/**
 * Returns the summary of a job: what it made, what earlier runs had done, how fast the pipeline ran beside
 * its limit, and what would make it faster.
 */
export function summaryLines(facts: SummaryFacts): readonly string[] {
  const { frames, framesMadeInThisRun: made, resumes, ranks, wallSeconds } = facts;
  const speed = wallSeconds > 0 ? made / wallSeconds : 0;
  const kept = frames - made;
  const lines = [
    `${frames} frames, ${clock(facts.videoSeconds)} of ${formOf(facts.input)} to ${resultOf(facts.output)}`,
    `took ${clock(wallSeconds)} (${speedText(speed)}) on ${counted(ranks.length, 'rank')}`,
  ];
  if (resumes > 0)
    lines.push(
      `resumed: ${counted(kept, 'frame')} of ${counted(resumes, 'earlier run')} were kept, ${made} were made now`,
    );
  if (facts.cost !== undefined) lines.push(costText(facts.cost));
  if (made === 0) return lines;
  const limits = limitsOf(facts);
  lines.push(`${limitText(limits)}; start-up and finishing took ${limits.aroundSeconds.toFixed(1)} s`);
  if (facts.planned !== undefined)
    lines.push(plannedText(facts.planned, limits.framesPerSecond, kept === 0 ? wallSeconds : undefined));
  if (limits.next !== undefined) lines.push(`to go faster: ${limits.next}`);
  return lines;
}

/** Returns the busy seconds by stage, for `--verbose`. */
export function busyLine({ ranks }: SummaryFacts): string {
  const times = stageTimes(ranks);
  return `busy: ${STAGES.map((stage) => `${stage} ${times[stage].toFixed(1)} s`).join(', ')}`;
}

/** Returns a sentence on the pipeline's speed beside that of its slowest stage alone. */
export function limitText({ limit, framesPerSecond, ofLimit, stages }: Limits): string {
  const pipeline = `the pipeline ran at ${speedText(framesPerSecond)}`;
  if (limit === 'none') return pipeline;
  const stage = stages.find(({ stage }) => stage === limit);
  if (stage?.framesPerSecond === undefined || ofLimit === undefined)
    return `${pipeline}; its limit was ${LIMIT_NAMES[limit]}`;
  return `${pipeline}, ${percent(ofLimit)} of its limit: ${LIMIT_NAMES[limit]} alone does ${speedText(stage.framesPerSecond)}`;
}

/**
 * Returns a sentence that compares a run with its plan. `wallSeconds` is undefined if an earlier run did a
 * part of the work.
 */
export function plannedText(
  planned: Planned,
  framesPerSecond: number,
  wallSeconds: number | undefined,
): string {
  if ('lacking' in planned) return `the plan ${planned.file} says nothing about this job: ${planned.lacking}`;
  const { framesPerSecond: fps, seconds } = planned;
  const speed = `planned ${speedText(fps)}, came to ${speedText(framesPerSecond)} (${deviation(framesPerSecond, fps)})`;
  if (wallSeconds === undefined) return speed;
  return `${speed}; planned ${clock(seconds)} in all, took ${clock(wallSeconds)} (${deviation(wallSeconds, seconds)})`;
}

/** Returns a sentence on the cost of a run. */
export function costText({ nodes, price, amount }: Cost): string {
  return `this run cost ${money(amount)} (${counted(nodes, 'node')} at ${price} an hour)`;
}

/** Returns an amount of money, with at least two digits that are not zero. */
export function money(amount: number): string {
  if (amount === 0) return '0.00';
  return amount.toFixed(Math.max(2, 1 - Math.floor(Math.log10(Math.abs(amount)))));
}

/** Returns a speed, with as many digits as tell something: `8.25 fps`, `12.1 per second`. */
export function speedText(speed: number, unit: Unit = 'frames'): string {
  return `${speed.toFixed(speed < 10 ? 2 : 1)} ${unit === 'frames' ? 'fps' : 'per second'}`;
}

/** Returns a share as a percentage. */
export function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

/** Returns a count of things. */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** Returns bytes in the unit that people use for files of that size. */
export function bytesText(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  const at = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  const value = bytes / 1000 ** at;
  return `${at === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[at]}`;
}

/** Returns how far a figure is from the planned one, in percent of that. */
function deviation(actual: number, planned: number): string {
  const percent = Math.round(100 * (actual / planned - 1));
  return `${percent > 0 ? '+' : ''}${percent} %`;
}

function formOf({ width, height, codec }: SummaryFacts['input']): string {
  return `${width}x${height} ${codec}`;
}

function resultOf({ bytes, table, ...output }: SummaryFacts['output']): string {
  const size = typeof bytes === 'number' ? `, ${bytesText(bytes)}` : '';
  return output.codec === undefined
    ? `a table${size}; read back`
    : `${formOf(output)}${size}; ${output.container === 'images' ? 'every picture read back' : 'every timestamp verified'}`;
}
