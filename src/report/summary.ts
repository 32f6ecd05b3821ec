import { STAGES, type StageSeconds } from '../job/meter.js';
import { clock } from './progress.js';

/** What one rank did. */
export interface RankReport {
  readonly rank: number;
  readonly host: string;
  readonly provider: string;
  /** What it computed in: fp32, on GPUs fp16, on CPUs int8. */
  readonly precision: string;
  readonly frames: number;
  readonly seconds: StageSeconds;
}

/** Below this share of the wall time no stage counts as the limit: frames waited on their way between ranks. */
const LIMIT_SHARE = 0.5;

/** Where the time went: of the busiest rank's inference and codec (the root's, unless every rank has one), and the root's ways. */
export function stageTimes(ranks: readonly RankReport[]): StageSeconds {
  const root = ranks[0]?.seconds;
  const busiest = (stage: 'decode' | 'infer' | 'encode'): number =>
    Math.max(0, ...ranks.map((rank) => rank.seconds[stage]));
  return {
    decode: busiest('decode'),
    scatter: root?.scatter ?? 0,
    infer: busiest('infer'),
    gather: root?.gather ?? 0,
    encode: busiest('encode'),
  };
}

/** The stage that held the others up, in words. */
export function limitingStage(times: StageSeconds, wallSeconds: number): string {
  const busiest = (['decode', 'infer', 'encode'] as const).reduce((a, b) => (times[b] > times[a] ? b : a));
  if (wallSeconds <= 0 || times[busiest] / wallSeconds < LIMIT_SHARE)
    return 'transport between ranks, or start-up';
  return busiest;
}

/** The last lines of a job for a person to read. */
export function summaryLines(
  frames: number,
  wallSeconds: number,
  ranks: readonly RankReport[],
): readonly string[] {
  const times = stageTimes(ranks);
  const stages = STAGES.map((stage) => `${stage} ${times[stage].toFixed(1)} s`).join(', ');
  const fps = wallSeconds > 0 ? frames / wallSeconds : 0;
  return [
    `${frames} frames in ${clock(wallSeconds)} (${fps.toFixed(fps < 10 ? 2 : 1)} fps) on ${ranks.length} rank${ranks.length === 1 ? '' : 's'}`,
    `busy: ${stages}; the limit was ${limitingStage(times, wallSeconds)}`,
  ];
}
