import { settingsText } from '../video/codecs/encoder-settings.js';
import type { StreamAction } from '../video/mux/stream-plan.js';
import { nameOf } from '../video/mux/stream-plan.js';
import type { RunContext } from './context/context.js';
import { nodesOf } from './context/machine.js';
import type { JobOptions } from './context/options.js';
import type { PreparedJob } from './prepare/prepare.js';
import type { RankReport } from './report/limits.js';
import { type PlanFile, plannedFor } from './report/planned.js';
import type { RunFacts, StreamReport } from './report/run-report.js';
import type { Completed, FrameWork } from './split/open-work.js';
import type { PieceWork } from './split/piece-work.js';

/** The work of all ranks. */
export interface PipelineOutcome {
  readonly pipelineSeconds: number;
  readonly ranks: readonly RankReport[];
}

interface Outcome extends PipelineOutcome {
  readonly completed: Completed;
  readonly wallSeconds: number;
  /** Undefined: the job was given none. */
  readonly plan: PlanFile | undefined;
}

/** Returns the facts of a job whose output is published. Those of its environment are left open. */
export function runFacts(
  { version, machines = [] }: RunContext,
  options: JobOptions,
  prepared: PreparedJob,
  work: FrameWork | PieceWork,
  { completed, plan, ...pipeline }: Outcome,
): RunFacts {
  const { source, graph, video, table, model, input, destination } = prepared;
  const further = (video?.further ?? []).map(({ name, destination, container, spec }, at) => ({
    ...{ name, path: destination.display, bytes: completed.furtherBytes[at], container: container.name },
    ...{ width: spec.width, height: spec.height },
  }));
  const nodes = nodesOf(machines);
  const ranks = { nodes, ranks: pipeline.ranks.length, split: work.mode };
  const { price } = options;
  const hours = (nodes * pipeline.wallSeconds) / 3600;
  return {
    version,
    input: {
      path: input.display,
      bytes: source.bytes,
      format: source.format,
      codec: source.video.codec,
      decoder: work.hardware.nvdec ? 'nvdec' : 'software',
      width: source.video.width,
      height: source.video.height,
    },
    output: {
      path: destination.display,
      bytes: completed.bytes,
      container: video?.container.name,
      codec: video?.spec.codec,
      encoder: video && work.hardware.encoder,
      width: graph.output?.width,
      height: graph.output?.height,
      table: table && (table.files[0]?.beside ?? destination).display,
      tableRows: completed.rows[0],
      model: model.name,
      modelSize: model.size,
      modelSha256: model.sha256,
    },
    further: further.length === 0 ? undefined : further,
    tables: table?.files.map(({ beside }, at) => ({
      name: table.plan.tables[at]?.name,
      path: (beside ?? destination).display,
      rows: completed.rows[at],
    })),
    ...pipeline,
    split: work.mode,
    schedule: options.schedule,
    frames: completed.frames,
    videoSeconds: completed.videoSeconds,
    nonFiniteFrames: completed.nonFiniteFrames,
    framesMadeInThisRun: completed.frames - work.restored,
    resumes: work.journal.resumes,
    settings: settingsOf(prepared),
    streams: streamsOf(prepared, completed),
    notes: [...prepared.notes, ...work.hardware.notes, ...completed.notes],
    concealed: work.concealed,
    warnings: [...work.warnings, ...completed.warnings],
    ...(plan && { planned: plannedFor(plan, { bytes: source.bytes, model: model.sha256, ranks }) }),
    ...(price === undefined ? {} : { cost: { nodes, price, amount: hours * price } }),
    environment: undefined,
    stills: undefined,
  };
}

function settingsOf({ model, batch, segmentFrames, video }: PreparedJob): RunFacts['settings'] {
  return {
    ...(model.strength === 1 ? {} : { strength: model.strength }),
    ...(model.canvas === undefined ? {} : { canvas: model.canvas.strength }),
    ...(model.steady === 0 ? {} : { steady: model.steady }),
    batch,
    'frames per segment': segmentFrames,
    ...(video === undefined
      ? {}
      : {
          preset: video.spec.preset ?? 'none',
          ...(video.spec.bitrate === undefined
            ? { crf: video.spec.crf ?? 'none' }
            : { bitrate: video.spec.bitrate }),
          ...(video.spec.settings === undefined
            ? {}
            : { 'encoder options': settingsText(video.spec.settings) }),
          pixels: video.spec.pixelFormat,
        }),
  };
}

/** Returns the streams of the source, and what became of each. A table has none of them. */
function streamsOf({ source }: PreparedJob, { video }: Completed): readonly StreamReport[] {
  const actions = new Map(video?.streams.actions.map((action) => [action.index, action]));
  return source.streams.map((stream) => {
    const action = actions.get(stream.index);
    return { stream: nameOf(stream), output: action === undefined ? 'left out' : outcomeOf(action) };
  });
}

function outcomeOf(action: StreamAction): string {
  switch (action.kind) {
    case 'video':
      return 'processed by the model';
    case 'copy':
      return 'copied';
    case 'convert':
      return `converted by ${action.encoder}`;
    case 'attach':
      return 'attached';
    case 'remade':
      return 'written anew by the container';
    case 'drop':
      return 'left out';
  }
}
