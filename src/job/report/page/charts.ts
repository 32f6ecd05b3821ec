/** Charts over time, as SVG. They stretch to any width, so their words stand beside them. */
import { STAGES } from '../../../pipeline/stages.js';
import { clock, type Unit } from '../../../report/progress.js';
import { percent, speedText } from '../summary.js';
import type { Throughput, Timeline, TimelineRow } from '../timeline.js';
import { html, type Markup } from './markup.js';

/** Height of a stage's band, of which one unit stays free, and of the chart of frames per second. */
const BAND = 10;
const CHART = 100;
/** Below this many seconds an axis has tenths. */
const SHORT_SECONDS = 20;

/** Draws the stages of each rank over time: the higher, the larger the part of the time they worked. */
export function timelineChart({ binSeconds, bins, rows }: Timeline): Markup {
  const seen = STAGES.filter((stage) => rows.some(({ busy }) => busy[stage] !== undefined));
  return html`<ul class="legend">${seen.map((stage) => html`<li><i class="${stage}"></i>${stage}</li>`)}<li><i class="waiting"></i>waiting</li></ul>
${rows.map((row) => rankRow(row, bins))}
<div class="rank">${axis(binSeconds * bins)}</div>`;
}

/** Draws the frames or pictures per second over time. */
export function throughputChart({ binSeconds, framesPerSecond }: Throughput, unit: Unit): Markup {
  const most = Math.max(...framesPerSecond);
  const bins = framesPerSecond.length;
  const path = steps(
    framesPerSecond.map((fps) => (fps / most) * CHART),
    CHART,
  );
  const label = `Speed over time: at most ${speedText(most, unit)}`;
  return html`<div class="chart"><div class="axis"><span>${speedText(most, unit)}</span></div>
<svg role="img" aria-label="${label}" viewBox="0 0 ${bins} ${CHART}" height="${CHART}" preserveAspectRatio="none"><path class="frames" d="${path}"/></svg>
${axis(binSeconds * bins)}</div>`;
}

/** Values over time, as a chart shows them. */
export interface ChartSeries {
  readonly name: string;
  /** The class of its colour in the style sheet. */
  readonly style: 'reference' | 'other';
  /** One for each time; null: none. */
  readonly values: readonly (number | null)[];
  /** The value that stands for several: the worst of them. */
  readonly keeps: 'lowest' | 'highest';
}

/** The most steps of a line. */
const MOST_POINTS = 240;

/** Draws values of frames over their times, as lines; undefined if there are none. */
export function valueChart(
  seconds: readonly number[],
  series: readonly ChartSeries[],
  show: (value: number) => string,
): Markup | undefined {
  const points = Math.min(MOST_POINTS, seconds.length);
  const drawn = series.map((one) => ({ ...one, values: thinned(one, points) }));
  const all = drawn.flatMap(({ values }) => values.filter((value) => value !== null));
  if (all.length === 0) return undefined;
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const place = (value: number): number =>
    Math.round(CHART - 1 - (most === least ? 0.5 : (value - least) / (most - least)) * (CHART - 2));
  const said = drawn.map(({ name, values }) => {
    const own = values.filter((value) => value !== null);
    return own.length === 0
      ? `${name}: none`
      : `${name}: from ${show(Math.min(...own))} to ${show(Math.max(...own))}`;
  });
  return html`<ul class="legend">${drawn.map(({ name, style }) => html`<li><i class="${style}"></i>${name}</li>`)}</ul>
<div class="chart lines"><div class="axis"><span>${show(most)}</span></div>
<svg role="img" aria-label="${said.join('; ')}" viewBox="0 0 ${points} ${CHART}" height="${CHART}" preserveAspectRatio="none">${drawn.map(
    ({ style, values }) => html`<path class="${style}" d="${line(values, place)}"/>`,
  )}</svg>
<div class="axis"><span>${show(least)}</span></div>
${axis(seconds.at(-1) ?? 0)}</div>`;
}

/** Returns as many values as there are points: of several, the worst. */
function thinned({ values, keeps }: ChartSeries, points: number): readonly (number | null)[] {
  const worst = keeps === 'lowest' ? Math.min : Math.max;
  return Array.from({ length: points }, (_, at) => {
    const own = values
      .slice(Math.floor((at * values.length) / points), Math.floor(((at + 1) * values.length) / points))
      .filter((value) => value !== null);
    return own.length === 0 ? null : worst(...own);
  });
}

/** Returns the path of a line of steps, one unit wide each, with gaps where there is no value. */
function line(values: readonly (number | null)[], place: (value: number) => number): string {
  let path = '';
  let isOpen = false;
  for (const [at, value] of values.entries()) {
    if (value !== null) path += `${isOpen ? 'V' : `M${at} `}${place(value)}H${at + 1}`;
    isOpen = value !== null;
  }
  return path;
}

function rankRow({ first, last, busy }: TimelineRow, bins: number): Markup {
  const stages = STAGES.filter((stage) => busy[stage] !== undefined);
  const name =
    first === last ? `rank ${first.rank} on ${first.host}` : `ranks ${first.rank} to ${last.rank} (mean)`;
  const means = stages.map((stage) => `${stage} ${percent(mean(busy[stage] ?? []))}`);
  const height = BAND * stages.length;
  return html`<div class="rank"><span class="name" title="${name}">${name}</span>
<svg role="img" aria-label="${name}, busy: ${means.join(', ')}" viewBox="0 0 ${bins} ${height}" height="${height}" preserveAspectRatio="none">${stages.map(
    (stage, at) =>
      html`<path class="${stage}" d="${steps(
        (busy[stage] ?? []).map((share) => share * (BAND - 1)),
        BAND * (at + 1),
      )}"/>`,
  )}</svg></div>
`;
}

/** Returns the path of an area of steps, one unit wide each, that stands on `base`. */
function steps(heights: readonly number[], base: number): string {
  let path = `M0 ${base}`;
  let drawn = 0;
  for (const [at, height] of heights.entries()) {
    const top = Math.round(height);
    if (top !== drawn) path += `H${at}V${base - top}`;
    drawn = top;
  }
  return `${path}H${heights.length}V${base}Z`;
}

function axis(seconds: number): Markup {
  const text = (at: number): string => (seconds < SHORT_SECONDS ? `${at.toFixed(1)} s` : clock(at));
  return html`<div class="axis">${[0, seconds / 2, seconds].map((at) => html`<span>${text(at)}</span>`)}</div>`;
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
