/** What limited a job's pipeline, and what would make it faster. Pure. */
import type { StageSeconds } from '../../pipeline/meter.js';
import type { ScheduleName } from '../../pipeline/schedule.js';
import type { StageSpans } from '../../pipeline/spans.js';
import { STAGES, type Stage } from '../../pipeline/stages.js';
import type { RankTimeline } from '../../pipeline/time-bins.js';

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
  readonly timeline?: RankTimeline;
  /** Of a rank whose job makes a trace. */
  readonly spans?: StageSpans;
}

/** The facts that tell what limited a pipeline. */
export interface PipelineFacts {
  readonly split: 'frames' | 'segments';
  readonly schedule: ScheduleName;
  readonly framesMadeInThisRun: number;
  readonly wallSeconds: number;
  /**
   * Part of the wall time: from the request for the first frame to the last frame's delivery to the encoder.
   */
  readonly pipelineSeconds: number;
  readonly ranks: readonly RankReport[];
}

/** The stages that do work, each with a speed of its own. */
const WORKING = ['decode', 'infer', 'encode'] as const;
type Working = (typeof WORKING)[number];

export type Limit = Working | 'transport between ranks' | 'none';

export const LIMIT_NAMES: Readonly<Record<Limit, string>> = {
  decode: 'decoding',
  infer: 'inference',
  encode: 'encoding',
  'transport between ranks': 'transport between ranks',
  none: 'none',
};

/** One stage beside the pipeline. */
export interface StageLimit {
  readonly stage: Stage;
  /** Busy seconds: of the busiest rank, or of rank 0 for scatter and gather. */
  readonly seconds: number;
  /** Share of the pipeline's time, 0 to 1. */
  readonly share: number;
  /** Its own speed on all its ranks together; absent for transport, and for what was not measured. */
  readonly framesPerSecond?: number;
}

export interface Limits {
  readonly limit: Limit;
  /** Speed of the pipeline. */
  readonly framesPerSecond: number;
  /** That speed as a share of the limiting stage's own; undefined where that has none. */
  readonly ofLimit: number | undefined;
  readonly stages: readonly StageLimit[];
  /** Seconds before and after the pipeline. */
  readonly aroundSeconds: number;
  /** What to change, in a few words; undefined if there is nothing to say. */
  readonly next: string | undefined;
}

/** If the pipeline took less than this share of a job's time, its own limit matters little. */
const PIPELINE_SHARE = 0.5;
/** Transport is a limit only if it filled this share of the pipeline's time: a start has waits, too. */
const TRANSPORT_SHARE = 0.5;
/** Ranks are uneven if the slowest one takes this many times as long per frame as the fastest. */
const UNEVEN = 1.5;

/**
 * Returns the seconds by stage: decode, infer and encode of the busiest rank, scatter and gather of the root.
 */
export function stageTimes(ranks: readonly RankReport[]): StageSeconds {
  const root = ranks[0]?.seconds;
  const busiest = (stage: Working): number => Math.max(0, ...ranks.map((rank) => rank.seconds[stage]));
  return {
    decode: busiest('decode'),
    scatter: root?.scatter ?? 0,
    infer: busiest('infer'),
    gather: root?.gather ?? 0,
    encode: busiest('encode'),
  };
}

/**
 * Returns what limited the pipeline, by its own time alone: the busiest stage; transport if rank 0 scattered
 * and gathered for longer than any stage worked, and for most of the time; none if there was nothing to do.
 */
export function limitsOf(facts: PipelineFacts): Limits {
  const { framesMadeInThisRun: made, wallSeconds, pipelineSeconds, ranks, split } = facts;
  const times = stageTimes(ranks);
  const stages = STAGES.map((stage): StageLimit => {
    const share = pipelineSeconds > 0 ? Math.min(1, times[stage] / pipelineSeconds) : 0;
    const fps = isWorking(stage) ? ownSpeed(stage, facts) : undefined;
    return { stage, seconds: times[stage], share, ...(fps === undefined ? {} : { framesPerSecond: fps }) };
  });
  const busiest = WORKING.reduce((a, b) => (times[b] > times[a] ? b : a));
  const transport = split === 'frames' && ranks.length > 1 ? Math.max(times.scatter, times.gather) : 0;
  const isTransport = transport > times[busiest] && transport > TRANSPORT_SHARE * pipelineSeconds;
  const limit = times[busiest] === 0 ? 'none' : isTransport ? 'transport between ranks' : busiest;
  const framesPerSecond = pipelineSeconds > 0 ? made / pipelineSeconds : 0;
  const own = stages.find(({ stage }) => stage === limit)?.framesPerSecond;
  return {
    limit,
    framesPerSecond,
    ofLimit: own === undefined ? undefined : Math.min(1, framesPerSecond / own),
    stages,
    aroundSeconds: Math.max(0, wallSeconds - pipelineSeconds),
    next: nextStep(limit, facts),
  };
}

/** Returns the frames per second that the ranks of a stage would do together if it never waited. */
function ownSpeed(stage: Working, { split, ranks, framesMadeInThisRun }: PipelineFacts): number | undefined {
  const everywhere = stage === 'infer' || split === 'segments';
  const parts = (everywhere ? ranks : ranks.slice(0, 1)).map((rank) => ({
    frames: everywhere ? rank.frames : framesMadeInThisRun,
    seconds: rank.seconds[stage],
  }));
  const speed = parts.reduce((sum, { frames, seconds }) => sum + (seconds > 0 ? frames / seconds : 0), 0);
  return speed > 0 ? speed : undefined;
}

function nextStep(limit: Limit, facts: PipelineFacts): string | undefined {
  const { split, wallSeconds, pipelineSeconds } = facts;
  if (limit === 'none') return undefined;
  if (pipelineSeconds < PIPELINE_SHARE * wallSeconds)
    return 'most of the time was start-up and finishing, which longer videos, or many in one job (--out-dir), share';
  switch (limit) {
    case 'decode':
      return split === 'frames'
        ? 'let every rank decode (--split segments), or decode on an NVIDIA GPU (--hwaccel nvdec)'
        : 'start more ranks on idle cores, or decode on NVIDIA GPUs (--hwaccel nvdec)';
    case 'encode':
      return split === 'frames'
        ? 'let every rank encode (--split segments), or take a faster --preset'
        : 'start more ranks on idle cores, or take a faster --preset';
    case 'transport between ranks':
      return 'send compressed pieces in place of frames (--split segments), or use a faster network';
    case 'infer':
      return fasterInference(facts);
  }
}

function fasterInference({ ranks, split, schedule }: PipelineFacts): string {
  const paces = ranks
    .filter(({ frames, seconds }) => frames > 0 && seconds.infer > 0)
    .map(({ frames, seconds }) => seconds.infer / frames);
  const isEven = split === 'frames' && schedule === 'even';
  if (isEven && Math.max(...paces) > UNEVEN * Math.min(...paces))
    return 'the ranks are unevenly fast: --schedule dynamic gives each what it can do';
  return ranks.every(({ provider }) => provider === 'cpu')
    ? 'use a GPU, start ranks on more machines, or take a smaller model'
    : 'start one rank on each further GPU, or take a smaller model';
}

function isWorking(stage: Stage): stage is Working {
  return stage === 'decode' || stage === 'infer' || stage === 'encode';
}
