import { STAGES, type StageSeconds } from '../../pipeline/meter.js';
import { clock } from '../../report/progress.js';

/** The work of one rank. */
export interface RankReport {
  readonly rank: number;
  readonly host: string;
  readonly provider: string;
  /** Arithmetic: fp32, fp16 (on GPUs) or int8 (on CPUs). */
  readonly precision: string;
  readonly frames: number;
  /** Peak resident memory of its process so far, in bytes. */
  readonly peakMemory?: number;
  readonly seconds: StageSeconds;
}

/** If the pipeline took less than this share of a job's time, the summary also shows the rest. */
const PIPELINE_SHARE = 0.5;

/**
 * Returns the seconds by stage: decode, infer and encode of the busiest rank, scatter and gather of the root.
 */
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
 * Returns the stage that limited the pipeline: the busiest one; `transport between ranks` if the root
 * scattered and gathered for longer than any stage worked; `none` if there was nothing to do.
 */
export function limitingStage(times: StageSeconds, ranks: number): string {
  const busiest = (['decode', 'infer', 'encode'] as const).reduce((a, b) => (times[b] > times[a] ? b : a));
  const transport = Math.max(times.scatter, times.gather);
  if (times[busiest] === 0) return 'none';
  return ranks > 1 && transport > times[busiest] ? 'transport between ranks' : busiest;
}

/** The duration of a job, in seconds. */
export interface JobSeconds {
  readonly wallSeconds: number;
  /**
   * Part of the wall time: from the request for the first frame to the last frame's delivery to the encoder.
   */
  readonly pipelineSeconds: number;
}

/** Returns the summary of a job on `size` ranks: its last lines in the log. */
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
      ? `${around.toFixed(1)} of ${wallSeconds.toFixed(1)} s were start-up and finishing; in between, the limit was ${limit}`
      : `the limit was ${limit}`;
  return [total, `busy: ${stages}; ${verdict}`];
}
