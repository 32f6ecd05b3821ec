/**
 * Traces: when each stage of each rank worked, in the JSON object format of Chrome's trace viewer ("Trace
 * Event Format"), which Perfetto reads, too. A process stands for a rank, and a thread for a stage.
 */

import { STAGES, type Stage } from '../../pipeline/stages.js';
import { printableJson } from '../../report/printable.js';
import type { RankReport } from './limits.js';
import { type OwnKind, refuseForeign, writeOwn } from './own-file.js';

/** An event of a trace. Times are in microseconds since the pipeline began. */
export type TraceEvent =
  /** A name of a process or a thread, or its place in the viewer. */
  | {
      readonly ph: 'M';
      readonly name: 'process_name' | 'process_sort_index' | 'thread_name' | 'thread_sort_index';
      readonly pid: number;
      readonly tid: number;
      readonly args: Readonly<Record<string, string | number>>;
    }
  /** A stretch of time in which a stage worked. */
  | {
      readonly ph: 'X';
      readonly name: Stage;
      readonly cat: 'stage';
      readonly pid: number;
      readonly tid: number;
      readonly ts: number;
      readonly dur: number;
      /** `busy`: microseconds of work, if several stretches were put together. */
      readonly args: Readonly<Record<string, number>>;
    }
  /** A value from here on. */
  | {
      readonly ph: 'C';
      readonly name: 'frames per second';
      readonly pid: number;
      readonly tid: number;
      readonly ts: number;
      readonly args: Readonly<Record<string, number>>;
    };

/** The facts of a job that its trace holds. */
export interface TraceFacts {
  readonly version: string;
  readonly input: string;
  readonly output: string;
  readonly ranks: readonly RankReport[];
}

/** The beginning of every trace. The key `otherData` is for facts that viewers only show. */
const BEGINNING = '{"otherData":{"framescatterTrace":1,';
const TRACE: OwnKind = { what: 'trace', isOwn: (beginning) => beginning.startsWith(BEGINNING) };

/**
 * Checks that nothing but an earlier trace or an empty file is at `path`, and that its folder is writable.
 *
 * @throws {JobError} output: otherwise.
 */
export async function refuseForeignTrace(path: string): Promise<void> {
  await refuseForeign(path, TRACE);
}

/**
 * Writes the trace of a job atomically. Only a trace is ever replaced.
 *
 * @throws {JobError} output: when it cannot be written, or would replace something else.
 */
export async function writeTrace(path: string, facts: TraceFacts): Promise<void> {
  await writeOwn(path, TRACE, async () => traceText(facts));
}

/** Returns a trace as text, an event a line. */
export function traceText({ version, input, output, ranks }: TraceFacts): string {
  const other = printableJson({ framescatterTrace: 1, version, input, output });
  const events = ranks.flatMap(eventsOf).map((event) => printableJson(event));
  return `{"otherData":${other},"displayTimeUnit":"ms","traceEvents":[\n${events.join(',\n')}\n]}\n`;
}

/** Returns the events of a rank. Its process has the number after it: to viewers, process 0 is idle time. */
function eventsOf({ rank, host, spans = {}, timeline }: RankReport): readonly TraceEvent[] {
  const pid = rank + 1;
  const named = (
    name: 'process' | 'thread',
    tid: number,
    text: string,
    place: number,
  ): readonly TraceEvent[] => [
    { ph: 'M', name: `${name}_name`, pid, tid, args: { name: text } },
    { ph: 'M', name: `${name}_sort_index`, pid, tid, args: { sort_index: place } },
  ];
  const stages = STAGES.flatMap((stage, at) => {
    const own = spans[stage];
    if (own === undefined) return [];
    const tid = at + 1;
    return [
      ...named('thread', tid, stage, at),
      ...own.map(
        ([from, to, busy]): TraceEvent => ({
          ...{ ph: 'X', name: stage, cat: 'stage', pid, tid, ts: from, dur: to - from },
          args: busy === to - from ? {} : { busy },
        }),
      ),
    ];
  });
  const { frames = [], binSeconds = 0 } = timeline ?? {};
  const speeds = frames.map(
    (count, at): TraceEvent => ({
      ...{ ph: 'C', name: 'frames per second', pid, tid: 0, ts: Math.round(1e6 * binSeconds * at) },
      args: { frames: Math.round((100 * count) / binSeconds) / 100 },
    }),
  );
  return [...named('process', 0, `rank ${rank} on ${host}`, rank), ...stages, ...speeds];
}
