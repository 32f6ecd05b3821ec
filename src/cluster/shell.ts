/** Characters that have no special meaning in any POSIX shell, wherever they are in a word. */
const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: it matches them on purpose
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/;

/**
 * Quotes `text` as one word of a Bash command line. Control characters become escapes (Bash's `$'...'`), so
 * that the word stays on one line, as sbatch needs, and is safe to print in a terminal.
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
