/**
 * Text that others have chosen (names of files, hosts and models, messages of FFmpeg) on its way to a terminal, a log or a
 * file that people look at: control characters would move the cursor, run a terminal's commands or begin a line of their own.
 */

/**
 * C0, DEL and C1, the separators of lines and paragraphs, and what changes the direction of the text after it: in each of
 * them one character more or less is another picture on the screen.
 */
const CONTROL =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
  /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
/** Those that `JSON.stringify` leaves as they are. */
const CONTROL_IN_JSON = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
const LINE_ENDS = /\r?\n/;
const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** `text` on one line, each control character in it as an escape: `\n`, `\x1b`, `\u2028`. */
export function printable(text: string): string {
  return text.replace(CONTROL, (character) => SHORT[character] ?? escapeOf(character));
}

/** The same of text of several lines, such as another program's log: its line ends stay. */
export function printableLines(text: string): string {
  return text.split(LINE_ENDS).map(printable).join('\n');
}

/** `value` as JSON, without a control character but its own line ends; the same value for whoever parses it. */
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
