/** The decisions of a job that no other line of its log tells: `--verbose` shows them. Pure. */
import type { CutRule } from '../../model/ports/state.js';
import type { Window } from '../../model/ports/window.js';
import type { EncodeSpec } from '../../video/codecs/codec.js';
import { CODEC_FACTS } from '../../video/codecs/codecs.js';
import { settingsText } from '../../video/codecs/encoder-settings.js';
import { nameOf, type StreamPlan } from '../../video/mux/stream-plan.js';
import type { SourceFacts } from '../../video/source/source-facts.js';
import type { JobOptions } from '../context/options.js';
import type { Journal } from '../journal/journal.js';
import type { Hardware } from './hardware.js';
import { memorySize } from './memory-limit.js';
import type { PreparedJob } from './prepare.js';

/** The part of a prepared job that its decisions are read from. */
export type DecidedJob = Pick<
  PreparedJob,
  | 'input'
  | 'source'
  | 'wire'
  | 'model'
  | 'batch'
  | 'batchReason'
  | 'share'
  | 'graph'
  | 'video'
  | 'table'
  | 'rate'
  | 'segmentFrames'
  | 'memory'
>;

/** The part of a job's opened work that its decisions are read from. */
export interface DecidedWork {
  readonly mode: 'frames' | 'segments';
  readonly hardware: Pick<Hardware, 'nvdec' | 'nvenc'>;
  readonly journal: Pick<Journal, 'resumes' | 'segments' | 'encoder'> & {
    readonly store: Pick<Journal['store'], 'location'>;
  };
  /** Frames of earlier runs, those of their spool included. */
  readonly restored: number;
}

/** Returns what was decided before the sessions are opened, one line each. */
export function preparedDecisions(job: DecidedJob): readonly string[] {
  const { input, source, wire, model, batch, batchReason, share, graph, video: made, table } = job;
  const { video } = source;
  const { width, height, matrix, range } = wire.format;
  const frames = video.frames === undefined ? 'of unknown length' : counted(video.frames, 'frame');
  const size = model.size === undefined ? '' : `, size ${model.size}`;
  return [
    `input: ${input.display}: video stream ${video.index} is ${video.codec}, ${video.width}x${video.height}, ` +
      `${video.pixelFormat}, ${frames}`,
    `wire: ${width}x${height}, ${wire.pixelFormat}, matrix ${matrix}, ${range} range`,
    `model: ${model.name}${size}, from ${model.file}, SHA-256 ${model.sha256}`,
    `batch: ${counted(batch, 'frame')} per run: ${batchReason}`,
    ...(graph.window === undefined ? [] : [neighbours(graph.window, share)]),
    ...(graph.every === undefined
      ? []
      : [
          graph.every === graph.chunk?.frames
            ? `chunks: ${counted(graph.every, 'frame')} are made together`
            : `states: begin anew every ${counted(graph.every, 'frame')}; a rank gets ${share} at a time`,
        ]),
    ...(model.steady === 0 ? [] : [`steady: up to ${model.steady} of the frame before is kept`]),
    ...(graph.cuts === undefined ? [] : [stops(graph.cuts)]),
    ...(made === undefined
      ? []
      : [
          `output: ${made.container.name}, ${made.spec.width}x${made.spec.height}`,
          ...made.further.map(
            ({ name, container, spec }) =>
              `further picture: ${name}, ${container.name}, ${spec.width}x${spec.height}`,
          ),
          ...carried(source, made.streams).map((line) => `stream: ${line}`),
        ]),
    ...(table?.plan.tables ?? []).map(
      ({ spec }, at) => `table: ${spec.kind}, as ${table?.files[at]?.format}`,
    ),
  ];
}

/** Returns what was decided when the work was opened, one line each. */
export function workDecisions(
  options: Pick<JobOptions, 'split' | 'schedule' | 'tolerant'>,
  job: DecidedJob,
  work: DecidedWork,
): readonly string[] {
  const { journal, mode } = work;
  const filters = job.wire.filters.length === 0 ? 'no filters' : `filters ${job.wire.filters.join(',')}`;
  return [
    // The chooser has told any other split, with its reason.
    ...(options.split === 'frames' ? ['split into frames: --split frames'] : []),
    ...(mode === 'frames' ? [`schedule: ${options.schedule}`] : []),
    `decoding: ${decoder(options, work)}, ${filters}`,
    ...(job.video === undefined ? [] : [`encoding: ${encoder(job.video.spec, work)}`]),
    segments(job, mode),
    ...memory(job.memory.needs(mode)),
    `work folder: ${journal.store.location}`,
    ...earlier(work),
  ];
}

/** Returns the line of a finished segment, whose first frame is number `first` of the video, from 0. */
export function segmentRecorded(index: number, first: number, frames: number): string {
  const which = frames === 1 ? `frame ${first}` : `frames ${first} to ${first + frames - 1}`;
  return `segment ${index} is recorded: ${which} (from 0)`;
}

function stops({ threshold, neighbours, states }: CutRule): string {
  const what = [...(neighbours ? ['neighbours'] : []), ...(states ? ['states'] : [])].join(' and ');
  return `scene cuts: ${what} stop where two frames are ${threshold} apart`;
}

function neighbours({ before, after, edge }: Window, share: number): string {
  return `neighbours: ${counted(before, 'frame')} before and ${after} after each (${edge}); a rank gets ${share} at a time`;
}

/** Returns a line for each stream that is kept; the notes tell of those that are converted or left out. */
function carried({ streams }: SourceFacts, { actions }: StreamPlan): readonly string[] {
  const what = { copy: 'copied', attach: 'attached as a file', remade: 'written anew by the muxer' } as const;
  return actions.flatMap((action) => {
    const stream = streams.find(({ index }) => index === action.index);
    if (stream === undefined || !isKept(action.kind)) return [];
    return [`${nameOf(stream)} is ${what[action.kind]}`];
  });

  function isKept(kind: StreamPlan['actions'][number]['kind']): kind is keyof typeof what {
    return Object.hasOwn(what, kind);
  }
}

function decoder({ tolerant }: Pick<JobOptions, 'tolerant'>, { mode, hardware }: DecidedWork): string {
  if (hardware.nvdec) return 'NVDEC';
  if (tolerant) return 'in software, one thread (--tolerant)';
  return mode === 'frames'
    ? 'in software, as many threads as FFmpeg chooses'
    : "in software, on every rank, with its share of its host's cores";
}

function encoder(spec: EncodeSpec, { hardware, journal }: DecidedWork): string {
  const { crf, preset } = CODEC_FACTS[spec.codec];
  const threads = counted(journal.encoder.threads, 'thread');
  return [
    hardware.nvenc ? `${spec.codec} by NVENC` : `${spec.codec} in software with ${threads}`,
    ...(typeof preset === 'string' ? [] : [`preset ${spec.preset}`]),
    ...(typeof crf === 'string'
      ? []
      : [spec.bitrate === undefined ? `CRF ${spec.crf}` : `${spec.bitrate} bit/s`]),
    ...(spec.settings === undefined ? [] : [settingsText(spec.settings)]),
    spec.pixelFormat,
  ].join(', ');
}

function segments({ segmentFrames, video, rate }: DecidedJob, mode: DecidedWork['mode']): string {
  const { num, den } = rate;
  const seconds = ((segmentFrames * den) / num).toFixed(2);
  const least = mode === 'segments' ? 'at least ' : '';
  const length = `segments: ${least}${counted(segmentFrames, 'frame')} (${seconds} s at ${num}/${den} per second)`;
  if (video === undefined) return length;
  return CODEC_FACTS[video.spec.codec].intraOnly
    ? `${length}, every frame a keyframe`
    : `${length}, a keyframe at least every ${counted(video.spec.keyframeInterval, 'frame')}`;
}

function memory(needs: readonly number[] | undefined): readonly string[] {
  const [root, ...others] = needs ?? [];
  if (root === undefined) return ['memory: not known, as the sizes of some tensors are not'];
  const more = others.length === 0 ? '' : `, up to ${memorySize(Math.max(...others))} for each other rank`;
  return [`memory: about ${memorySize(root)} for rank 0${more}, decoder and encoder included`];
}

function earlier({ journal, restored, mode }: DecidedWork): readonly string[] {
  if (journal.resumes === 0) return [];
  const recorded = journal.segments.reduce((sum, { frames }) => sum + frames, 0);
  const spooled = mode === 'frames' ? restored - recorded : 0;
  const kept = `${counted(journal.segments.length, 'recorded segment')}, ${counted(spooled, 'spooled frame')}`;
  return [`earlier runs: ${journal.resumes}, which left ${kept}`];
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
