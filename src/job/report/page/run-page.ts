import { basename } from 'node:path';
import { clock } from '../../../report/progress.js';
import type { Environment } from '../environment.js';
import { LIMIT_NAMES } from '../limits.js';
import type { RunReport } from '../run-report.js';
import type { Stills } from '../stills.js';
import { bytesText, costText, counted, percent, plannedText, speedText } from '../summary.js';
import { documentOf, facts, lines, section, table } from './document.js';
import { imagesOf } from './images.js';
import { html, type Markup } from './markup.js';
import { workSections } from './work-sections.js';

/** Returns the report of a finished job as a page. */
export function runPage(report: RunReport, stills: Stills | undefined): string {
  const { input, output, environment } = report;
  return documentOf({
    title: basename(String(output.path)),
    kind: 'framescatter report',
    about: aboutOf(report),
    json: report,
    sections: [
      tiles(report),
      report.warnings.length > 0
        ? section('warnings', 'Warnings', html`<div class="warning">${lines(report.warnings)}</div>`)
        : undefined,
      section('frames', 'Before and after', stills && imagesOf(stills)),
      ...workSections({ ...report, unit: 'frames' }),
      section('plan', 'Plan and cost', lines(planOf(report))),
      section('resumes', 'Earlier runs', earlierRuns(report)),
      section('exactness', 'What was checked', lines(checksOf(report))),
      section(
        'streams',
        'Streams',
        report.streams.length === 0
          ? undefined
          : table(
              `Streams of ${basename(String(input.path))}, and what became of them`,
              ['In the source', 'In the output'],
              report.streams.map(({ stream, output: outcome }) => [stream, outcome]),
            ),
      ),
      section('notes', 'Notes', lines(report.notes)),
      section('files', 'Files and settings', filesOf(report)),
      section('environment', 'Environment', environment && environmentFacts(environment, report.version)),
    ],
  });
}

/** Returns the environment of a job as a list of facts. */
export function environmentFacts(environment: Environment, version: string): Markup {
  return facts([
    ['Finished', environment.finished],
    ['framescatter', version],
    ['FFmpeg', environment.ffmpeg],
    ['MPI', environment.mpi.trim()],
    ['Node.js', `${environment.node} on ${environment.system}`],
    ...environment.hosts.map(
      ({ host, ranks, hardware }) => [host, `${counted(ranks, 'rank')}: ${hardware}`] as const,
    ),
  ]);
}

function aboutOf({ input, output, videoSeconds }: RunReport): string {
  const model = String(output.model);
  const size = typeof output.bytes === 'number' ? `, to ${bytesText(output.bytes)}` : '';
  return `${clock(videoSeconds)} of ${basename(String(input.path))}, ${input.width}x${input.height}, through the model ${model}${size}`;
}

function tiles(report: RunReport): Markup {
  const { limits, framesMadeInThisRun: made, wallSeconds, frames, output } = report;
  const isVideo = output.codec !== undefined;
  const verified = output.container === 'images' ? 'every picture read back' : 'every timestamp verified';
  const speed = wallSeconds > 0 ? made / wallSeconds : 0;
  const ofLimit = limits.ofLimit === undefined ? '' : `, ${percent(limits.ofLimit)} used`;
  const shown: readonly (readonly [string, string])[] = [
    [speedText(speed), `on ${counted(report.ranks.length, 'rank')}, start-up included`],
    [clock(wallSeconds), 'from start to published'],
    [String(frames), `frames, ${isVideo ? verified : 'the table read back'}`],
    [LIMIT_NAMES[limits.limit], `the limit${ofLimit}`],
  ];
  return html`<ul class="tiles">${shown.map(([value, what]) => html`<li><b>${value}</b><span>${what}</span></li>`)}</ul>
`;
}

function planOf({ planned, cost, limits, resumes, wallSeconds }: RunReport): readonly string[] {
  const whole = resumes === 0 ? wallSeconds : undefined;
  return [
    ...(planned === undefined ? [] : [plannedText(planned, limits.framesPerSecond, whole)]),
    ...(cost === undefined ? [] : [costText(cost)]),
  ];
}

function earlierRuns({ resumes, frames, framesMadeInThisRun, limits }: RunReport): Markup | undefined {
  if (resumes === 0) return undefined;
  const kept = frames - framesMadeInThisRun;
  return html`<p>This job was resumed ${counted(resumes, 'time')}. ${counted(kept, 'frame')} of earlier runs were kept, and this run made ${framesMadeInThisRun}. Each run pays for its start: this one took ${limits.aroundSeconds.toFixed(1)} s before and after its frames.</p>`;
}

function checksOf({ verified, output, tables, nonFiniteFrames, concealed }: RunReport): readonly string[] {
  const damage = concealed.messages + concealed.timestampsMoved + concealed.timestampJumps;
  const checks =
    output.codec === undefined
      ? []
      : [
          `${verified.frames} frames went in and ${verified.frames} came out.`,
          `The finished file was compared with its frames, packet by packet: every timestamp is ${verified.timestamps}.`,
        ];
  return [
    ...checks,
    ...(tables === undefined ? [] : ['Every table was read back.']),
    nonFiniteFrames.count === 0
      ? 'The model gave no NaN and no infinity.'
      : `The model gave NaN or infinity in ${counted(nonFiniteFrames.count, 'frame')}.`,
    damage === 0
      ? 'No damage of the source was concealed in this run.'
      : `Damage of the source was concealed: ${counted(concealed.messages, 'message')} of the decoder, ${counted(concealed.timestampsMoved, 'timestamp')} moved.`,
  ];
}

function filesOf({ input, output, further, tables, settings, split, schedule }: RunReport): Markup {
  const size = (bytes: string | number | undefined): string =>
    typeof bytes === 'number' ? `, ${bytesText(bytes)}` : '';
  const video =
    output.codec === undefined
      ? ''
      : `${output.width}x${output.height}, ${output.codec} by ${output.encoder} in ${output.container}`;
  return facts([
    ['Source', String(input.path)],
    [
      '',
      `${input.width}x${input.height}, ${input.codec} in ${input.format}${size(input.bytes)}, ${input.decoder} decoder`,
    ],
    ['Output', String(output.path)],
    ['', `${video}${size(output.bytes)}`.replace(/^, /, '')],
    ...(further ?? []).map(
      ({ name, path, width, height, container, bytes }) =>
        [`Picture ${name}`, `${path}, ${width}x${height} in ${container}${size(bytes)}`] as const,
    ),
    ...(tables ?? []).map(
      ({ name, path, rows }) => [`Table ${name ?? ''}`, `${path}, ${rows} rows`] as const,
    ),
    ['Model', `${output.model}${output.modelSize === undefined ? '' : `, ${output.modelSize}`}`],
    ['SHA-256 of the model', String(output.modelSha256)],
    ['Split', `${split}, ${schedule} schedule`],
    ...Object.entries(settings),
  ]);
}
