/** The status of a watcher as a page, which refreshes itself. */
import { facts, hashOf, section, table } from '../job/report/page/document.js';
import { html, type Markup, trusted } from '../job/report/page/markup.js';
import { STYLE } from '../job/report/page/style.js';
import { bytesText } from '../job/report/summary.js';
import type { Status, StatusVideo } from './status.js';

/** Seconds between two looks of a page. */
const EVERY_SECONDS = 5;

/**
 * Puts the parts of the page that changed into place. What has the focus, and what is scrolled, stays so. The
 * markup comes from this server, where all text is escaped; the policy forbids any script in it.
 */
const SCRIPT = `
const alive = document.getElementById('alive');
const refresh = async () => {
  const answer = await fetch('/', { cache: 'no-store' });
  if (!answer.ok) throw new Error(answer.status);
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
  document.title = fresh.title;
  for (const part of document.querySelectorAll('[data-part]')) {
    const now = fresh.querySelector('[data-part="' + part.dataset.part + '"]');
    if (now === null || now.innerHTML === part.innerHTML) continue;
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    const top = part.querySelector('.scroll')?.scrollTop ?? 0;
    part.replaceChildren(...now.childNodes);
    const box = part.querySelector('.scroll');
    if (box !== null) box.scrollTop = top;
    const address = focused?.getAttribute('href');
    if (focused !== null)
      (address ? part.querySelector('a[href="' + address + '"]') : box)?.focus({ preventScroll: true });
  }
};
let timer;
const turn = async () => {
  clearTimeout(timer);
  if (document.visibilityState === 'visible') {
    try {
      await refresh();
      alive.textContent = '';
    } catch {
      alive.textContent = 'The watcher does not answer: it has ended, or is busy. What you see is old.';
    }
  }
  timer = setTimeout(turn, ${EVERY_SECONDS * 1000});
};
timer = setTimeout(turn, ${EVERY_SECONDS * 1000});
document.addEventListener('visibilitychange', turn);
`;
const SHEET = `${STYLE}
a { color: var(--accent); }
a:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
td { overflow-wrap: anywhere; min-width: 6rem; }
td:first-child { min-width: 9rem; }
time { white-space: nowrap; }
`;

/** The policy of the page, for its header: it asks only its own server for anything. */
export const STATUS_POLICY = [
  "default-src 'none'",
  "connect-src 'self'",
  `style-src ${hashOf(SHEET)}`,
  `script-src ${hashOf(SCRIPT)}`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Returns the page. Without scripts a browser loads it again now and then. */
export function statusPage(status: Status): string {
  const { counts, problem } = status;
  const title = `${counts.running} running, ${counts.waiting} waiting - framescatter watch`;
  return `<!doctype html>\n${
    html`<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<noscript><meta http-equiv="refresh" content="${2 * EVERY_SECONDS}"></noscript>
<title>${title}</title>
<style>${trusted(SHEET)}</style>
</head>
<body>
<main>
<header><p class="kind">framescatter watch</p><h1>${status.watching}</h1></header>
<p id="alive" class="warning" role="status"></p>
${part('problem', problem !== null && html`<p class="warning">Not all could be read: ${problem}</p>`)}
${part('counts', tiles(status))}
${part('running', runningOf(status))}
${part('waiting', waitingOf(status))}
${part('failed', failedOf(status))}
${part('done', doneOf(status))}
${part('watcher', watcherOf(status))}
</main>
<script>${trusted(SCRIPT)}</script>
</body>
</html>
`.markup
  }`;
}

/** A part of the page that the script replaces. */
function part(name: string, content: Markup | undefined | false): Markup {
  return html`<div data-part="${name}">${content}</div>`;
}

function tiles({ counts }: Status): Markup {
  const shown = [
    [counts.running, 'running'],
    [counts.waiting, 'waiting'],
    [counts.failed, 'set aside'],
    [counts.done, 'done'],
  ] as const;
  return html`<ul class="tiles">${shown.map(([count, what]) => html`<li><b>${count}</b><span>${what}</span></li>`)}</ul>`;
}

function runningOf({ running, counts }: Status): Markup | undefined {
  return listing('running', 'Running', { videos: running, all: counts.running, order: 'The first' }, [
    ['Video', ({ video }) => video],
    ['Size', sizeOf],
    ['Since', timeOf],
    ['Taken by', ({ watcher }) => watcher ?? ''],
    ['Earlier attempts', attemptsOf],
  ]);
}

function waitingOf({ waiting, counts }: Status): Markup | undefined {
  return listing('waiting', 'Waiting', { videos: waiting, all: counts.waiting, order: 'The first' }, [
    ['Video', ({ video }) => video],
    ['Size', sizeOf],
    ['Earlier attempts', attemptsOf],
    ['Last failure', ({ reason }) => reason ?? ''],
  ]);
}

function failedOf({ failed, counts }: Status): Markup | undefined {
  return listing('failed', 'Set aside', { videos: failed, all: counts.failed, order: 'The newest' }, [
    ['Video', ({ video }) => video],
    ['Why', ({ reason }) => reason ?? ''],
    ['When', timeOf],
    ['Attempts', attemptsOf],
  ]);
}

function doneOf({ done, counts }: Status): Markup | undefined {
  const withPages = done.some(({ report }) => report !== null);
  return listing('done', 'Done', { videos: done, all: counts.done, order: 'The newest' }, [
    ['Video', ({ video }) => video],
    ['Output', ({ output }) => output ?? ''],
    ['When', timeOf],
    ...(withPages ? ([['Report', linkOf]] as const) : []),
  ]);
}

function watcherOf({ watching, output, watcher, started, updated, version }: Status): Markup | undefined {
  return section(
    'watcher',
    'This watcher',
    facts([
      ['Watches', watching],
      ['Outputs', output],
      ['Watcher', watcher],
      ['Started', plainTime(started)],
      ['Last look at the videos', plainTime(updated)],
      ['framescatter', version],
    ]),
  );
}

interface Listed {
  readonly videos: readonly StatusVideo[];
  /** The number of all, of which `videos` are some. */
  readonly all: number;
  readonly order: 'The first' | 'The newest';
}

type Column = readonly [name: string, cell: (video: StatusVideo) => Markup | string];

function listing(
  id: string,
  heading: string,
  { videos, all, order }: Listed,
  columns: readonly Column[],
): Markup | undefined {
  if (videos.length === 0) return undefined;
  const caption = videos.length < all ? `${order} ${videos.length} of ${all}` : `${all} in all`;
  return section(
    id,
    heading,
    table(
      caption,
      columns.map(([name]) => name),
      videos.map((video) => columns.map(([, cell]) => cell(video))),
    ),
  );
}

function sizeOf({ bytes }: StatusVideo): string {
  return bytesText(bytes);
}

function attemptsOf({ failures, interruptions }: StatusVideo): string {
  const parts = [
    ...(failures > 0 ? [`${failures} failed`] : []),
    ...(interruptions > 0 ? [`${interruptions} interrupted`] : []),
  ];
  return parts.join(', ');
}

function linkOf({ report, video }: StatusVideo): Markup | string {
  return report === null ? '' : html`<a href="${report}" aria-label="Report of ${video}">report</a>`;
}

function timeOf({ updated }: StatusVideo): Markup | string {
  return updated === null ? '' : html`<time datetime="${updated}">${plainTime(updated)}</time>`;
}

/** Returns a time of ISO 8601 in UTC as people read it, to the second. */
function plainTime(time: string): string {
  return time.replace('T', ' ').replace(/\.\d+Z$/, ' UTC');
}
