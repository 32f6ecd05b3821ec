import type { ComposedGraph } from '../../model/compose/compose.js';
import type { LoadedModel } from '../../model/load/loaded-model.js';
import type { CpuPrecision } from '../../model/session/precision.js';
import { autoProvider, PROVIDERS } from '../../model/session/providers.js';
import { workingMemory } from '../../model/session/working-memory.js';
import { memoryOverride } from '../../system/host-memory.js';
import type { EncodeSpec } from '../../video/codecs/codec.js';
import type { SourceFacts } from '../../video/source/source-facts.js';
import type { RankMachine } from '../context/machine.js';
import type { JobOptions } from '../context/options.js';
import { ENCODER_WORK } from '../journal/work.js';
import { fewerFrames } from './batch.js';
import { busyRanks, dryRunRanks } from './busy-ranks.js';
import { estimateMemory, type MemoryFacts } from './memory-estimate.js';
import { refuseLackOfMemory } from './memory-limit.js';

/** The ranks that make a dry run, and the check of their memory. */
export interface MemoryPlan {
  /**
   * For each rank, whether it makes a dry run before the first frame. The others allocate nothing for
   * inference yet.
   */
  readonly dryRuns: readonly boolean[];
  /**
   * Refuses a job that does not fit into its hosts' memory with this split.
   *
   * @throws {JobError} limit: when it does not fit.
   */
  readonly refuseLack: (split: 'frames' | 'segments') => void;
  /**
   * Returns the bytes that each rank needs with this split, its decoder and encoder included; undefined if
   * nobody knows.
   */
  readonly needs: (split: 'frames' | 'segments') => readonly number[] | undefined;
}

/** The facts of a job before its first frame. */
export interface PlannedJob {
  readonly options: Pick<JobOptions, 'schedule' | 'provider'>;
  readonly source: Pick<SourceFacts, 'video'>;
  readonly model: Pick<LoadedModel, 'fixedBatch' | 'window' | 'recurrence' | 'steady'>;
  /** Frames of a rank in a round, with their halo. */
  readonly batch: number;
  readonly graph: Pick<
    ComposedGraph,
    'bytes' | 'further' | 'input' | 'inputBytes' | 'rowBytes' | 'stateBytes'
  >;
  readonly onCpus: CpuPrecision;
  /** Undefined: nothing is encoded. */
  readonly spec: Pick<EncodeSpec, 'codec' | 'preset'> | undefined;
  readonly segmentFrames: number;
  readonly machines: readonly RankMachine[];
}

/**
 * Memory of a graph in int8 relative to fp32, as measured: it also holds sums, and bytes with interleaved
 * channels.
 */
const INT8_MORE = 1.08;

/** Plans a job's memory. If the model has unknown tensor sizes, no job is refused. */
export function planMemory(job: PlannedJob): MemoryPlan {
  const { options, source, model, batch, graph, onCpus, spec, segmentFrames, machines } = job;
  const { schedule, provider } = options;
  const { frames, width, height } = source.video;
  const busy = busyRanks(frames, machines.length, { schedule, batch });
  const dryRuns = dryRunRanks(busy, machines);
  const known = new Map<number, number | undefined>();

  function working({ gpus, channelBlock }: RankMachine): number | undefined {
    const expected = provider === 'auto' ? autoProvider(gpus) : provider;
    if (!PROVIDERS[expected].needsHostMemory) return graph.stateBytes;
    if (!known.has(channelBlock)) known.set(channelBlock, workingMemory(graph.bytes, channelBlock));
    const bytes = known.get(channelBlock);
    if (bytes === undefined) return undefined;
    return bytes * (onCpus === 'int8' ? INT8_MORE : 1) + graph.stateBytes;
  }

  function factsOf(split: 'frames' | 'segments'): MemoryFacts | undefined {
    const ranks = machines.map((machine, rank) => ({
      busy: busy[rank] ?? true,
      dryRun: dryRuns[rank] ?? true,
      working: working(machine),
    }));
    if (
      !ranks.every((rank): rank is typeof rank & { readonly working: number } => rank.working !== undefined)
    )
      return undefined;
    return {
      ...{ split, schedule, batch, frames, segmentFrames, ranks },
      ...{
        frameBytes: graph.inputBytes,
        decodedBytes:
          graph.inputBytes * Math.max(1, (width * height) / (graph.input.width * graph.input.height)),
        styledBytes: graph.rowBytes,
        graphBytes: graph.bytes.byteLength,
      },
      ...{ codec: spec?.codec, encoders: 1 + graph.further.length, preset: spec?.preset ?? '' },
      encoderThreads: ENCODER_WORK.threads,
    };
  }

  return {
    dryRuns,
    refuseLack(split) {
      const facts = factsOf(split);
      if (facts === undefined) return;
      refuseLackOfMemory({
        facts,
        machines,
        override: memoryOverride(),
        fewer: fewerFrames(model),
        pixels: width * height,
      });
    },
    needs(split) {
      const facts = factsOf(split);
      return facts && estimateMemory(facts).map(({ own, codecs }) => own + codecs);
    },
  };
}
