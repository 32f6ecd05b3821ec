import yargs, { type Argv, type ParseCallback } from 'yargs';

/**
 * The parser that every command starts from: pure (it neither prints nor exits), strict about options, and with names
 * taken as they stand, dots, digits and all. `version` is false where a command has none of its own.
 */
export function commandLine(usage: string, epilogue: string, version: string | false) {
  const parser = yargs([])
    .scriptName('framescatter')
    .usage(usage)
    .epilogue(epilogue)
    .help()
    .alias('h', 'help')
    .exitProcess(false)
    .showHelpOnFail(false)
    .strictOptions()
    .wrap(110)
    .parserConfiguration({
      'dot-notation': false,
      'boolean-negation': false,
      'duplicate-arguments-array': false,
      'parse-positional-numbers': false,
    });
  return refusingEmptyNumbers(version === false ? parser.version(false) : parser.version(version));
}

/** yargs takes an empty value for the number 0: `--strength="$S"` without an S would leave a whole film as it was. */
function refusingEmptyNumbers<T>(parser: Argv<T>): Argv<T> {
  const parse = parser.parseSync.bind(parser);
  const checked = (words: string | readonly string[], context?: object, callback?: ParseCallback<T>) => {
    const parsed = parse(words, context, callback);
    const empty = emptyOptions([words].flat()).find((name) => typeof Reflect.get(parsed, name) === 'number');
    if (empty !== undefined)
      callback?.(new Error(`--${empty} takes a number, and was given an empty value`), parsed, '');
    return parsed;
  };
  return Object.assign(parser, { parseSync: checked });
}

/** Names of the options, before a lone `--`, whose value is empty. */
function emptyOptions(words: readonly string[]): readonly string[] {
  const end = words.indexOf('--');
  const own = end === -1 ? words : words.slice(0, end);
  return own.flatMap((word, at) => {
    const [, name = '', value = own[at + 1]] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    return value?.trim() === '' ? [name] : [];
  });
}
