import { basename } from 'node:path';
import { clock } from '../../../report/progress.js';
import { countsLine, type PicturesReport } from '../pictures-report.js';
import type { Stills } from '../stills.js';
import { counted, percent, speedText } from '../summary.js';
import { documentOf, facts, lines, section, table } from './document.js';
import { imagesOf } from './images.js';
import { html, type Markup } from './markup.js';
import { environmentFacts } from './run-page.js';
import { workSections } from './work-sections.js';

/** Returns the report of a job of pictures as a page. */
export function picturesPage(report: PicturesReport, stills: Stills | undefined): string {
  const { output, pictures, environment, version, resumes, failures, warnings } = report;
  return documentOf({
    title: basename(String(output.path)) || String(output.path),
    kind: 'framescatter report',
    about: `${countsLine(pictures)}, through the model ${output.model}`,
    json: report,
    sections: [
      tiles(report),
      section('warnings', 'Warnings', lines(warnings)),
      section(
        'failures',
        'Failed pictures',
        failures.length === 0
          ? undefined
          : table(
              `${failures.length} of ${counted(pictures.failed, 'failed picture')}`,
              ['Picture', 'Why'],
              failures.map(({ file, error }) => [file, error]),
            ),
      ),
      section('pictures', 'Before and after', stills && imagesOf(stills)),
      ...workSections({ ...report, unit: 'pictures' }),
      section(
        'resumes',
        'Earlier runs',
        resumes === 0
          ? undefined
          : html`<p>This job was resumed ${counted(resumes, 'time')}. ${counted(pictures.kept, 'picture')} of earlier runs were kept.</p>`,
      ),
      section(
        'files',
        'Files',
        facts([
          ['Output', output.path],
          ['Table', output.table === undefined ? undefined : `${output.table}, ${output.tableRows} rows`],
          ['Model', `${output.model}${output.modelSize === undefined ? '' : `, ${output.modelSize}`}`],
          ['SHA-256 of the model', output.modelSha256],
        ]),
      ),
      section('environment', 'Environment', environmentFacts(environment, version)),
    ],
  });
}

function tiles({ pictures, wallSeconds, limits, ranks }: PicturesReport): Markup {
  const made = pictures.done - pictures.kept;
  const speed = wallSeconds > 0 ? made / wallSeconds : 0;
  const ofLimit = limits.ofLimit === undefined ? '' : `, ${percent(limits.ofLimit)} used`;
  const shown = [
    [speedText(speed, 'pictures'), `on ${counted(ranks.length, 'rank')}, start-up included`],
    [clock(wallSeconds), 'from start to end'],
    [`${pictures.done} of ${pictures.total}`, 'pictures done'],
    [String(pictures.failed), 'failed'],
    [limits.limit, `the limit${ofLimit}`],
  ] as const;
  return html`<ul class="tiles">${shown.map(([value, what]) => html`<li><b>${value}</b><span>${what}</span></li>`)}</ul>
`;
}
