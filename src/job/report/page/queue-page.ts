import { clock } from '../../../report/progress.js';
import { LIMIT_NAMES } from '../limits.js';
import type { QueueReport } from '../queue-report.js';
import { counted, speedText } from '../summary.js';
import { documentOf, section, table } from './document.js';
import { html } from './markup.js';

/** Returns the report of a queue as a page: a line for each video. */
export function queuePage(report: QueueReport): string {
  const { videos, counts, version } = report;
  const states = Object.entries(counts).map(([state, count]) => `${count} ${state}`);
  return documentOf({
    title: counted(videos.length, 'video'),
    kind: 'framescatter report',
    about: `${states.join(', ')}; framescatter ${version}`,
    json: report,
    sections: [
      section(
        'videos',
        'Videos',
        table(
          'The videos in their order',
          ['Video', 'Output', 'State', 'Frames', 'Time', 'Speed', 'Limit', 'Warnings and errors'],
          videos.map(({ input, output, state, ...more }) => {
            const run = 'run' in more ? more.run : undefined;
            const error = 'error' in more ? more.error.message : undefined;
            const speed = run && run.framesMadeInThisRun / Math.max(1e-3, run.wallSeconds);
            return [
              ...[input, output, state],
              run === undefined ? '' : `${run.frames}, verified`,
              run === undefined ? '' : clock(run.wallSeconds),
              speed === undefined ? '' : speedText(speed),
              run === undefined ? '' : LIMIT_NAMES[run.limit],
              html`${error}${run?.warnings.map((warning) => html`<div>${warning}</div>`)}`,
            ];
          }),
        ),
      ),
    ],
  });
}
