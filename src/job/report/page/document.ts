/** The frame of a page: everything that is no section. */
import { createHash } from 'node:crypto';
import { printableJson } from '../../../report/printable.js';
import { PAGE_BEGINNING } from '../write-report.js';
import { html, type Markup, scriptData, trusted } from './markup.js';
import { SCRIPT } from './script.js';
import { STYLE } from './style.js';

/** A page. */
export interface Page {
  readonly title: string;
  /** What stands above the title, in small type. */
  readonly kind: string;
  /** What stands below it. */
  readonly about: string;
  readonly sections: readonly (Markup | undefined)[];
  /** The report as JSON, which the page holds, too. */
  readonly json: object;
}

/** The policy of a page: it loads nothing, and no other script than its own runs. */
export const POLICY = `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src ${hashOf(SCRIPT)}`;

/**
 * Returns a page as HTML. It holds all that it shows; its policy lets no browser load anything else, nor run
 * any other script.
 */
export function documentOf({ title, kind, about, sections, json }: Page): string {
  const { markup } = html`<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="framescatter">
<title>${title} - framescatter report</title>
<style>${trusted(STYLE)}</style>
</head>
<body>
<main>
<header><p class="kind">${kind}</p><h1>${title}</h1><p class="about">${about}</p></header>
${sections.flatMap((section) => section ?? [])}
</main>
<script type="application/json" id="report">${scriptData(printableJson(json))}</script>
<script>${trusted(SCRIPT)}</script>
</body>
</html>
`;
  return PAGE_BEGINNING + markup;
}

/** Returns a section with a heading; undefined if it has no content. */
export function section(id: string, heading: string, content: Markup | undefined): Markup | undefined {
  if (content === undefined) return undefined;
  return html`<section id="${id}" aria-labelledby="${id}-heading"><h2 id="${id}-heading">${heading}</h2>${content}</section>
`;
}

/** Returns a list of lines; undefined if there are none. */
export function lines(texts: readonly string[]): Markup | undefined {
  return texts.length === 0 ? undefined : html`<ul>${texts.map((text) => html`<li>${text}</li>`)}</ul>`;
}

/** Returns a table of names and values. Values that are undefined are left out. */
export function facts(rows: readonly (readonly [string, string | number | undefined])[]): Markup {
  const shown = rows.filter(([, value]) => value !== undefined);
  return html`<dl>${shown.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** Returns a table with a head, in a box that scrolls on narrow screens. */
export function table(
  caption: string,
  head: readonly string[],
  rows: readonly (readonly (Markup | string | number)[])[],
): Markup {
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table><caption>${caption}</caption>
<thead><tr>${head.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${rows.map(
    (row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>
`,
  )}</tbody></table></div>`;
}

/** Returns a bar of a share from 0 to 1, before its text. */
export function bar(share: number, text: string, kind = ''): Markup {
  const width = Math.round(1000 * Math.min(1, Math.max(0, share))) / 10;
  return html`<span class="bar"><span class="${kind}" style="width:${width}%"></span></span>${text}`;
}

/** Returns the source of a Content-Security-Policy that allows an inline script or style sheet. */
export function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
