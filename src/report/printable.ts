/**
 * Escapes text that others chose (names of files, hosts and models, messages of FFmpeg) before it goes to a
 * terminal, a log or a file for people. Control characters could move the cursor, run terminal commands or
 * start a line of their own.
 */

/**
 * C0, DEL and C1, the separators of lines and paragraphs, and the marks that change the direction of text.
 */
const CONTROL =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
  /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
/** The control characters that `JSON.stringify` does not escape. */
const CONTROL_IN_JSON = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
const LINE_ENDS = /\r?\n/;
const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Returns `text` on one line, with control characters escaped: `\n`, `\x1b`, `\u2028`. */
export function printable(text: string): string {
  return text.replace(CONTROL, (character) => SHORT[character] ?? escapeOf(character));
}

/**
 * Returns text of several lines, such as another program's log, with control characters escaped except line
 * ends.
 */
export function printableLines(text: string): string {
  return text.split(LINE_ENDS).map(printable).join('\n');
}

/**
 * Returns `value` as JSON without control characters except its own line ends. It parses to the same value.
 */
export function printableJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(CONTROL_IN_JSON, unicodeEscape);
}

function escapeOf(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : unicodeEscape(character);
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
