/** Characters that no POSIX shell gives a meaning to, wherever they stand in a word. */
const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/;

/**
 * `text` as one word of a Bash command line that stands for exactly that text. Control characters are written as escapes
 * (Bash's `$'...'`), so that the word never spans two lines (sbatch reads scripts by the line) and can be looked at in a terminal.
 */
export function shellWord(text: string): string {
  if (PLAIN.test(text)) return text;
  if (!CONTROL.test(text)) return `'${text.replaceAll("'", `'\\''`)}'`;
  const escaped = text
    .replace(/[\\']/g, '\\$&')
    .replace(new RegExp(CONTROL, 'g'), (character) =>
      Buffer.from(character).toString('hex').replace(/../g, '\\x$&'),
    );
  return `$'${escaped}'`;
}
