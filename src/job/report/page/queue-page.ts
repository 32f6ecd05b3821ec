import { basename } from 'node:path';
import { clock } from '../../../report/progress.js';
import { LIMIT_NAMES } from '../limits.js';
import type { QueueReport } from '../queue-report.js';
import type { RunReport } from '../run-report.js';
import type { Stills } from '../stills.js';
import { bytesText, counted, speedText } from '../summary.js';
import { documentOf, section, table } from './document.js';
import { html, jpegAddress, type Markup } from './markup.js';

type Entry = QueueReport['videos'][number];

/** Returns the report of a queue as a page. `stills`: the frames of each video that has some. */
export function queuePage(report: QueueReport, stills: readonly (Stills | undefined)[]): string {
  const { videos, counts, version } = report;
  const states = Object.entries(counts).map(([state, count]) => `${count} ${state}`);
  return documentOf({
    title: counted(videos.length, 'video'),
    kind: 'framescatter report',
    about: `${states.join(', ')}; framescatter ${version}`,
    json: report,
    sections: [
      tiles(report),
      section('frames', 'Before and after', gallery(videos, stills)),
      section('videos', 'Videos', videoTable(videos, stills)),
    ],
  });
}

function runOf(entry: Entry): RunReport | undefined {
  return 'run' in entry ? entry.run : undefined;
}

function tiles({ videos, counts }: QueueReport): Markup | undefined {
  const runs = videos.flatMap((entry) => runOf(entry) ?? []);
  if (runs.length === 0) return undefined;
  const sum = (of: (run: RunReport) => number): number => runs.reduce((all, run) => all + of(run), 0);
  const [made, seconds] = [sum((run) => run.framesMadeInThisRun), sum(({ wallSeconds }) => wallSeconds)];
  const shown: readonly (readonly [string, string])[] = [
    [`${runs.length} of ${videos.length}`, 'videos made by this run'],
    [String(counts.failed ?? 0), 'failed'],
    [String(sum(({ frames }) => frames)), 'frames, verified'],
    [clock(seconds), 'from start to published, of all'],
    [speedText(made / Math.max(1e-3, seconds)), 'start-ups included'],
  ];
  return html`<ul class="tiles">${shown.map(([value, what]) => html`<li><b>${value}</b><span>${what}</span></li>`)}</ul>
`;
}

/** Shows a frame of each video beside its own; undefined if there is none. */
function gallery(videos: readonly Entry[], stills: readonly (Stills | undefined)[]): Markup | undefined {
  const shown = videos.flatMap((entry, at) => {
    const [pair, run] = [stills[at]?.pairs[0], runOf(entry)];
    return pair === undefined || run === undefined ? [] : [{ entry, pair, run }];
  });
  if (shown.length === 0) return undefined;
  const made = videos.filter((entry) => runOf(entry)?.output.codec !== undefined).length;
  return html`<ol class="gallery">${shown.map(({ entry, pair, run }) => {
    const name = basename(entry.output);
    return html`<li><figure><div class="sides"><img src="${jpegAddress(pair.before)}" alt="${name} before the model, at ${pair.name}" loading="lazy"><img src="${jpegAddress(pair.after)}" alt="${name} after the model, at ${pair.name}" loading="lazy"></div><figcaption><b>${name}</b>: ${clock(run.videoSeconds)} at ${speedText(speedOf(run))}, ${resultOf(run)}</figcaption></figure></li>
`;
  })}</ol>${shown.length < made && html`<p>${shown.length} of the ${made} videos that this run made are shown.</p>`}`;
}

function videoTable(videos: readonly Entry[], stills: readonly (Stills | undefined)[]): Markup {
  return table(
    'The videos in their order',
    [
      ...['Video', 'Output', 'State', 'Frames', 'Length', 'Result', 'Time', 'Speed', 'Limit'],
      'Warnings and errors',
    ],
    videos.map((entry, at) => {
      const run = runOf(entry);
      const error = 'error' in entry ? entry.error.message : undefined;
      const notes = [...(run?.warnings ?? []), stills[at]?.note];
      return [
        ...[entry.input, entry.output, entry.state],
        ...(run === undefined ? ['', '', '', '', '', ''] : cellsOf(run)),
        html`${error}${notes.map((note) => note !== undefined && html`<div>${note}</div>`)}`,
      ];
    }),
  );
}

function cellsOf(run: RunReport): readonly string[] {
  const isVideo = run.output.codec !== undefined;
  return [
    `${run.frames}, ${isVideo ? 'verified' : 'read back'}`,
    clock(run.videoSeconds),
    resultOf(run),
    clock(run.wallSeconds),
    speedText(speedOf(run)),
    LIMIT_NAMES[run.limit],
  ];
}

/** Returns what came of a video: `1920x1080 h264, 2.3 MB`, or the rows of its tables. */
function resultOf({ output, tables }: RunReport): string {
  const size = typeof output.bytes === 'number' ? [bytesText(output.bytes)] : [];
  const video =
    output.codec === undefined ? [] : [`${output.width}x${output.height} ${output.codec}`, ...size];
  const rows = (tables ?? []).map(({ rows = 0 }) => counted(Number(rows), 'row'));
  return [...video, ...rows, ...(output.codec === undefined ? size : [])].join(', ');
}

function speedOf({ framesMadeInThisRun, wallSeconds }: RunReport): number {
  return framesMadeInThisRun / Math.max(1e-3, wallSeconds);
}
