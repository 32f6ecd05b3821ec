import type { ComposedGraph } from '../../model/compose/compose.js';
import type { LoadedModel } from '../../model/load/loaded-model.js';
import type { CpuPrecision } from '../../model/session/precision.js';
import { workingMemory } from '../../model/session/working-memory.js';
import { memoryOverride } from '../../system/host-memory.js';
import type { EncodeSpec } from '../../video/codecs/codec.js';
import type { SourceFacts } from '../../video/source/source-facts.js';
import type { RankMachine } from '../context/machine.js';
import type { JobOptions } from '../context/options.js';
import { ENCODER_THREADS } from '../journal/work.js';
import { busyRanks, dryRunRanks } from './busy-ranks.js';
import { refuseLackOfMemory } from './memory-limit.js';

/** Which ranks try the model out, and what their memory is held to. */
export interface MemoryPlan {
  /** Of each rank: whether it runs a grey batch before the first frame. The others allocate nothing for inference yet. */
  readonly dryRuns: readonly boolean[];
  /** Refuses a job that does not fit into its hosts' memory where it is split so. Errors: JobError `limit`. */
  readonly refuseLack: (split: 'frames' | 'segments') => void;
}

/** What is known of a job before its first frame. */
export interface PlannedJob {
  readonly options: Pick<JobOptions, 'schedule' | 'provider'>;
  readonly source: Pick<SourceFacts, 'video'>;
  readonly model: Pick<LoadedModel, 'fixedBatch'>;
  readonly batch: number;
  readonly graph: Pick<ComposedGraph, 'bytes' | 'inputBytes' | 'rowBytes'>;
  readonly onCpus: CpuPrecision;
  readonly spec: Pick<EncodeSpec, 'codec' | 'preset'>;
  readonly segmentFrames: number;
  readonly machines: readonly RankMachine[];
}

/** What a graph in int8 takes beside the same one in fp32, as measured: sums, and bytes with their channels interleaved. */
const INT8_MORE = 1.08;

/** Plans a job's memory. Where the model has sizes that cannot be worked out nothing is refused. */
export function planMemory(job: PlannedJob): MemoryPlan {
  const { options, source, model, batch, graph, onCpus, spec, segmentFrames, machines } = job;
  const { schedule, provider } = options;
  const { frames, width, height } = source.video;
  const busy = busyRanks(frames, machines.length, { schedule, batch });
  const dryRuns = dryRunRanks(busy, machines);
  const known = new Map<number, number | undefined>();

  function working({ gpus, channelBlock }: RankMachine): number | undefined {
    if (provider !== 'cpu' && (provider !== 'auto' || gpus > 0)) return 0;
    if (!known.has(channelBlock)) known.set(channelBlock, workingMemory(graph.bytes, channelBlock));
    const bytes = known.get(channelBlock);
    return bytes === undefined ? undefined : bytes * (onCpus === 'int8' ? INT8_MORE : 1);
  }

  return {
    dryRuns,
    refuseLack(split) {
      const ranks = machines.map((machine, rank) => ({
        busy: busy[rank] ?? true,
        dryRun: dryRuns[rank] ?? true,
        working: working(machine),
      }));
      if (
        !ranks.every((rank): rank is typeof rank & { readonly working: number } => rank.working !== undefined)
      )
        return;
      refuseLackOfMemory({
        facts: {
          ...{ split, schedule, batch, frames, segmentFrames, ranks },
          ...{
            frameBytes: graph.inputBytes,
            styledBytes: graph.rowBytes,
            graphBytes: graph.bytes.byteLength,
          },
          ...{ codec: spec.codec, preset: spec.preset },
          encoderThreads: ENCODER_THREADS,
        },
        machines,
        override: memoryOverride(),
        fixedBatch: model.fixedBatch,
        pixels: width * height,
      });
    },
  };
}
