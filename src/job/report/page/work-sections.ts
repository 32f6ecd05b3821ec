/** The sections of a page that tell of the ranks' work: alike for videos and pictures. */
import type { Unit } from '../../../report/progress.js';
import { LIMIT_NAMES, type Limits, type RankReport } from '../limits.js';
import { bytesText, percent, speedText } from '../summary.js';
import { throughputOf, timelineOf } from '../timeline.js';
import { throughputChart, timelineChart } from './charts.js';
import { bar, section, table } from './document.js';
import { html, type Markup } from './markup.js';

interface Work {
  readonly ranks: readonly RankReport[];
  readonly pipelineSeconds: number;
  readonly limits: Limits;
  readonly unit: Unit;
}

/** Returns the sections on time, limits and ranks. */
export function workSections(work: Work): readonly (Markup | undefined)[] {
  const { ranks, pipelineSeconds, limits, unit } = work;
  const throughput = throughputOf(ranks, pipelineSeconds);
  const timeline = timelineOf(ranks);
  return [
    section(
      'throughput',
      `${capital(unit)} per second over time`,
      throughput && throughputChart(throughput, unit),
    ),
    section(
      'timeline',
      'Stages of each rank over time',
      timeline &&
        html`${timelineChart(timeline)}<p class="kind">Time since the pipeline began, which all ranks do together. Stages overlap: while one round is inferred, the next is decoded.</p>`,
    ),
    section('limits', 'What limited the speed', ranks.length === 0 ? undefined : limitTable(limits, unit)),
    section(
      'ranks',
      `${capital(unit)} and memory by rank`,
      ranks.length === 0 ? undefined : rankTable(ranks, unit),
    ),
  ];
}

function limitTable({ limit, stages, framesPerSecond, aroundSeconds, next }: Limits, unit: Unit): Markup {
  return html`${table(
    `Each stage beside the pipeline, which ran at ${speedText(framesPerSecond, unit)}. Limit: ${LIMIT_NAMES[limit]}.`,
    ['Stage', 'Busy', 'Share of the time', 'Speed on its own'],
    stages.map(({ stage, seconds, share, framesPerSecond: own }) => [
      stage,
      `${seconds.toFixed(1)} s`,
      bar(share, percent(share), stage),
      own === undefined ? '' : speedText(own, unit),
    ]),
  )}<p>Start-up and finishing took ${aroundSeconds.toFixed(1)} s besides. Scattering and gathering include the wait for other ranks.</p>
${next !== undefined && html`<p>To go faster: ${next}.</p>`}`;
}

function rankTable(ranks: readonly RankReport[], unit: Unit): Markup {
  const mostFrames = Math.max(1, ...ranks.map(({ frames }) => frames));
  const mostMemory = Math.max(1, ...ranks.map(({ peakMemory = 0 }) => peakMemory));
  return table(
    'The work of each rank',
    ['Rank', 'Host', 'Runs on', capital(unit), 'Inference', 'Peak memory'],
    ranks.map(({ rank, host, provider, precision, frames, seconds, peakMemory }) => [
      rank,
      host,
      `${provider}, ${precision}`,
      bar(frames / mostFrames, String(frames)),
      `${seconds.infer.toFixed(1)} s`,
      peakMemory === undefined ? '' : bar(peakMemory / mostMemory, bytesText(peakMemory)),
    ]),
  );
}

function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
