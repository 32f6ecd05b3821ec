import yargs, { type Argv, type ParseCallback } from 'yargs';
import { didYouMean, nearest } from '../../system/suggestion.js';
import { CODECS } from '../../video/codecs/codec.js';
import { CODEC_FACTS } from '../../video/codecs/codecs.js';

const WIDEST = 110;
/** What codecs are called elsewhere. */
const OTHER_NAMES: Readonly<Record<string, string>> = Object.fromEntries(
  CODECS.flatMap((codec) => CODEC_FACTS[codec].aliases.map((alias) => [alias, codec])),
);

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
    .wrap(Math.min(WIDEST, process.stdout.columns ?? WIDEST))
    .parserConfiguration({
      'dot-notation': false,
      'boolean-negation': false,
      'duplicate-arguments-array': false,
      'parse-positional-numbers': false,
    });
  return checked(version === false ? parser.version(false) : parser.version(version).alias('V', 'version'));
}

/**
 * Refuses an empty value for a number, which yargs takes for 0 (`--strength="$S"` without an S). What yargs refuses is said
 * with what was likely meant. Of a value that is given twice the last one counts.
 */
function checked<T>(parser: Argv<T>): Argv<T> {
  const parse = parser.parseSync.bind(parser);
  const parseSync = (words: string | readonly string[], context?: object, callback?: ParseCallback<T>) => {
    const explained: ParseCallback<T> = (error, parsed, output) =>
      callback?.(error && new Error(explain(error.message, namesOf(parser))), parsed, output);
    const parsed = parse(words, context, callback && explained);
    const given = ownOptions([words].flat());
    const isNumber = (name: string): boolean => typeof Reflect.get(parsed, name) === 'number';
    const empty = given.find(({ name, value }) => value?.trim() === '' && isNumber(name));
    if (empty !== undefined)
      callback?.(new Error(`--${empty.name} takes a number, and was given an empty value`), parsed, '');
    return parsed;
  };
  return Object.assign(parser, { parseSync });
}

/** The options, before a lone `--`, with what is given as their value. */
function ownOptions(words: readonly string[]): readonly { readonly name: string; readonly value?: string }[] {
  const end = words.indexOf('--');
  const own = end === -1 ? words : words.slice(0, end);
  return own.flatMap((word, at) => {
    const [, name, value = own[at + 1]] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (name === undefined) return [];
    return value === undefined ? [{ name }] : [{ name, value }];
  });
}

/** Names of a parser's options; yargs has them, though its types do not tell. */
function namesOf(parser: object): readonly string[] {
  const { getOptions } = parser as { getOptions(): { readonly key: object } };
  return Object.keys(getOptions.call(parser).key);
}

/** yargs' words for a bad option, with what may have been meant. */
function explain(message: string, names: readonly string[]): string {
  const unknown = /^Unknown arguments?: (.+)$/s.exec(message)?.[1];
  if (unknown !== undefined) {
    const near = (name: string): string =>
      didYouMean(
        `--${name}`,
        names.map((one) => `--${one}`),
      );
    return [...new Set(unknown.split(', '))]
      .map((name) => `unknown option --${name}${near(name)}`)
      .join('; ');
  }
  const [, option, given = '', choices = ''] =
    /^Invalid values:\n {2}Argument: ([^,]+), Given: "(.*)", Choices: (.+)$/s.exec(message) ?? [];
  if (option === undefined) return message;
  const allowed = choices.split(', ').map((choice) => choice.replaceAll('"', ''));
  const other = OTHER_NAMES[given.toLowerCase()];
  const meant = other !== undefined && allowed.includes(other) ? other : nearest(given, allowed);
  const hint = meant === undefined ? '' : `: did you mean ${meant}?`;
  return `--${option} is one of ${allowed.join(', ')}, and cannot be ${JSON.stringify(given)}${hint}`;
}
