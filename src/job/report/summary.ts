import { STAGES, type StageSeconds } from '../../pipeline/meter.js';
import { clock } from '../../report/progress.js';

/** What one rank did. */
export interface RankReport {
  readonly rank: number;
  readonly host: string;
  readonly provider: string;
  /** What it computed in: fp32, on GPUs fp16, on CPUs int8. */
  readonly precision: string;
  readonly frames: number;
  /** Bytes of its own memory at their highest so far. */
  readonly peakMemory?: number;
  readonly seconds: StageSeconds;
}

/** Where less than this share of a job's time is the pipeline's, the summary says where the rest went. */
const PIPELINE_SHARE = 0.5;

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

/**
 * The stage that held the others up while frames went through the pipeline: the busiest, or `transport` between ranks, where there
 * are several and the root was busy longer with handing frames out and taking them back than any stage was at work. `none`
 * where nothing was left to do.
 */
export function limitingStage(times: StageSeconds, ranks: number): string {
  const busiest = (['decode', 'infer', 'encode'] as const).reduce((a, b) => (times[b] > times[a] ? b : a));
  const transport = Math.max(times.scatter, times.gather);
  if (times[busiest] === 0) return 'none';
  return ranks > 1 && transport > times[busiest] ? 'transport between ranks' : busiest;
}

/** How long a job took, in seconds. */
export interface JobSeconds {
  readonly wallSeconds: number;
  /** Of the wall time: from the first frame asked for to the last one given to the encoder. */
  readonly pipelineSeconds: number;
}

/** The last lines of a job on `size` ranks for a person to read. */
export function summaryLines(
  frames: number,
  { wallSeconds, pipelineSeconds }: JobSeconds,
  ranks: readonly RankReport[],
  size: number,
): readonly string[] {
  const fps = wallSeconds > 0 ? frames / wallSeconds : 0;
  const total = `${frames} frames in ${clock(wallSeconds)} (${fps.toFixed(fps < 10 ? 2 : 1)} fps) on ${size} rank${size === 1 ? '' : 's'}`;
  if (frames === 0) return [total];
  const times = stageTimes(ranks);
  const stages = STAGES.map((stage) => `${stage} ${times[stage].toFixed(1)} s`).join(', ');
  const limit = limitingStage(times, size);
  const around = wallSeconds - pipelineSeconds;
  const verdict =
    pipelineSeconds < PIPELINE_SHARE * wallSeconds
      ? `${around.toFixed(1)} of ${wallSeconds.toFixed(1)} s were start-up and finishing; in between the limit was ${limit}`
      : `the limit was ${limit}`;
  return [total, `busy: ${stages}; ${verdict}`];
}
