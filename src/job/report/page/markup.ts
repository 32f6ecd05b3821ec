/** Builds HTML. Text is data: it is escaped unless it is markup already. */
import { printable } from '../../../report/printable.js';

/** A piece of HTML. Only `html` and `trusted` make it. */
export interface Markup {
  readonly markup: string;
}

type Part = Markup | string | number | undefined | false | readonly Part[];

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * A template of HTML. Values are escaped, also within quoted attributes, and control characters are shown as
 * such; markup and lists of it are put in as they are; undefined and false give nothing.
 */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return { markup: strings.map((text, at) => text + textOf(parts[at])).join('') };
}

/** Returns text that this program made, such as a style sheet, as markup. */
export function trusted(markup: string): Markup {
  return { markup };
}

/** Returns a JSON value as the content of a `script` element, which it cannot end. */
export function scriptData(json: string): Markup {
  return { markup: json.replaceAll('<', '\\u003c') };
}

/** Returns an address of a JPEG within the page. */
export function jpegAddress(image: Buffer): string {
  return `data:image/jpeg;base64,${image.toString('base64')}`;
}

function textOf(part: Part): string {
  if (part === undefined || part === false) return '';
  if (typeof part === 'string') return printable(part).replace(/[&<>"']/g, (one) => ESCAPES[one] ?? '');
  if (typeof part === 'number') return String(part);
  return 'markup' in part ? part.markup : part.map(textOf).join('');
}
