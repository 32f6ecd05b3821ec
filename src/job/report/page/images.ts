/** The images of a page: pairs with a divider, and a strip. */
import type { Stills } from '../stills.js';
import { html, jpegAddress, type Markup } from './markup.js';

/** Shows frames or pictures before and after; undefined if there are none, nor a word on why. */
export function imagesOf({ pairs, strip, note }: Stills): Markup | undefined {
  if (pairs.length === 0 && strip.length === 0 && note === undefined) return undefined;
  return html`${pairs.length > 0 && comparison(pairs)}
${
  strip.length > 0 &&
  html`<ol class="strip">${strip.map(
    ({ name, image }) =>
      html`<li><img src="${jpegAddress(image)}" alt="The output at ${name}"><span>${name}</span></li>`,
  )}</ol>`
}
${note !== undefined && html`<p>${note}</p>`}`;
}

function comparison(pairs: Stills['pairs']): Markup {
  return html`<figure class="compare"><div class="pairs">${pairs.map(
    ({ name, before, after }) =>
      html`<div class="pair"><img class="before" src="${jpegAddress(before)}" alt="Before the model, ${name}"><img class="after" src="${jpegAddress(after)}" alt="After the model, ${name}"></div>
`,
  )}<span class="divider"></span>
<input type="range" min="0" max="100" step="1" value="50" aria-label="Divider: before to the left, after to the right"></div>
<div class="choice" role="group" aria-label="Shown frame">${pairs.map(
    ({ name }) => html`<button type="button" aria-pressed="false">${name}</button>`,
  )}</div>
<figcaption>Before to the left, after to the right. Drag the divider, or move it with the arrow keys.</figcaption></figure>`;
}
