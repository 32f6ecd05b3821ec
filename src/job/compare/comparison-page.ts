/** The report of a comparison as a page. */
import { basename } from 'node:path';
import { type ChartSeries, valueChart } from '../report/page/charts.js';
import { documentOf, facts, lines, section, table } from '../report/page/document.js';
import { html, jpegAddress, type Markup } from '../report/page/markup.js';
import { bytesText } from '../report/summary.js';
import { type ComparisonReport, type VideoFacts, WARPING_UNIT } from './comparison-facts.js';
import { decibels, frameText, measuresOf, verdict } from './comparison-text.js';
import type { DifferenceImages } from './difference-images.js';

/** Returns the page. */
export function comparisonPage(report: ComparisonReport, images: readonly DifferenceImages[]): string {
  const { reference, other, source, notes, version, finished, ffmpeg } = report;
  return documentOf({
    title: `${basename(reference.path)} and ${basename(other.path)}`,
    kind: 'framescatter comparison',
    about: verdict(report),
    json: report,
    sections: [
      tiles(report),
      section('measures', 'Measures', measureTable(report)),
      ...charts(report),
      section('worst', 'The frames that differ most', images.length === 0 ? undefined : worstFrames(images)),
      section('notes', 'Notes', lines(notes)),
      section(
        'files',
        'Files',
        facts([
          ['A, the reference', reference.path],
          ['', aboutVideo(reference)],
          ['B', other.path],
          ['', aboutVideo(other)],
          ...(source === null
            ? []
            : ([
                ['Source of the motion', source.path],
                ['', aboutVideo(source)],
              ] as const)),
          ['Finished', finished],
          ['framescatter', version],
          ['FFmpeg', ffmpeg],
        ]),
      ),
    ],
  });
}

function tiles(report: ComparisonReport): Markup {
  const { frames, sameFrames } = report;
  const measures = measuresOf(report).map(
    ({ name, value, meaning }) => [value, `${name}: ${meaning}`] as const,
  );
  const shown = [[`${sameFrames} of ${frames}`, 'frames are the same'] as const, ...measures];
  return html`<ul class="tiles">${shown.map(([value, what]) => html`<li><b>${value}</b><span>${what}</span></li>`)}</ul>
`;
}

function measureTable(report: ComparisonReport): Markup {
  return table(
    'A is the reference, and B is compared with it',
    ['Measure', 'Value', 'Meaning', 'Details'],
    measuresOf(report).map(({ name, value, meaning, details }) => [name, value, meaning, details.join('; ')]),
  );
}

/** Returns a chart of each measure over time. */
function charts({ perFrame, psnr, ssim, vmaf }: ComparisonReport): readonly (Markup | undefined)[] {
  const { seconds } = perFrame;
  const chart = (
    id: string,
    heading: string,
    series: readonly ChartSeries[],
    show: (value: number) => string,
  ): Markup | undefined => section(id, heading, valueChart(seconds, series, show));
  return [
    psnr.all === null
      ? undefined
      : chart(
          'psnr',
          'PSNR of each frame',
          [{ name: 'B beside A', style: 'other', values: perFrame.psnr, keeps: 'lowest' }],
          decibels,
        ),
    ssim === null || ssim.all === 1
      ? undefined
      : chart(
          'ssim',
          'SSIM of each frame',
          [{ name: 'B beside A', style: 'other', values: perFrame.ssim, keeps: 'lowest' }],
          (value) => value.toFixed(4),
        ),
    vmaf === null
      ? undefined
      : chart(
          'vmaf',
          'VMAF of each frame',
          [{ name: 'B beside A', style: 'other', values: perFrame.vmaf, keeps: 'lowest' }],
          (value) => value.toFixed(1),
        ),
    chart(
      'warping',
      'Warping error of each frame: lower means less flicker',
      [
        { name: 'A', style: 'reference', values: perFrame.warpingErrorOfReference, keeps: 'highest' },
        { name: 'B', style: 'other', values: perFrame.warpingErrorOfOther, keeps: 'highest' },
      ],
      (value) => `${(WARPING_UNIT * value).toFixed(2)}`,
    ),
  ];
}

function worstFrames(images: readonly DifferenceImages[]): Markup {
  return html`${images.map((one) => {
    const name = frameText(one);
    const shown = [
      ['A', one.reference, `A, ${name}`],
      ['B', one.other, `B, ${name}`],
      [
        `difference, times ${one.gain}`,
        one.difference,
        `The difference of A and B, times ${one.gain}, ${name}`,
      ],
    ] as const;
    return html`<figure class="trio">${shown.map(
      ([label, image, alt]) =>
        html`<div><img src="${jpegAddress(image)}" alt="${alt}"><span>${label}</span></div>`,
    )}<figcaption>${name}</figcaption></figure>
`;
  })}`;
}

function aboutVideo({ width, height, codec, pixelFormat, bytes }: VideoFacts): string {
  return `${width}x${height}, ${codec}, ${pixelFormat}, ${bytesText(bytes)}`;
}
