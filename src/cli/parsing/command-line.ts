/** Parses any command with yargs: one form of help, one form of usage errors. */
import yargs, { type Argv } from 'yargs';
import { JobError } from '../../system/errors.js';
import { didYouMean, nearest } from '../../system/suggestion.js';

/** A command as help lists it and as yargs parses it. */
export interface CommandSpec<T> {
  /** The words that name it, e.g. `submit slurm`; `job` may be left out. */
  readonly name: string;
  /** A line for the list of commands. */
  readonly about: string;
  /** The arguments of each form, e.g. `INPUT [options]`. */
  readonly forms: readonly string[];
  /** Whole command lines, each at most 76 columns wide. */
  readonly examples: readonly string[];
  /** Paragraphs before and after the options. */
  readonly text?: string;
  readonly epilogue?: string;
  /** Options that may be given more than once. */
  readonly repeatable?: readonly string[];
  options(parser: Argv): Argv<T>;
}

/** The options that a command's parser gives. */
export type OptionsOf<S extends { options(parser: Argv): Argv<unknown> }> =
  ReturnType<S['options']> extends Argv<infer T> ? T : never;

/** Help, or a version: to be printed. */
export interface Text {
  readonly kind: 'text';
  readonly text: string;
}

/** The parsed arguments of a command: options, words, and the words after a lone `--`. */
export interface Given<T> {
  readonly options: T;
  readonly words: readonly string[];
  readonly after: readonly string[];
}

/** Checks the arguments of a job; throws a usage error if they are not valid. */
export type CheckJob = (words: readonly string[]) => void;

export const PROGRAM = 'framescatter';
const WIDEST = 110;
const NARROWEST = 60;
/** The width where none is known. */
const USUAL = 80;

/**
 * Parses the arguments that follow a command's name. Touches no files and prints nothing. Returns the help as
 * a string if it was asked for.
 *
 * @throws {JobError} usage: when an option is unknown, given twice, or has a value that it does not take.
 */
export function parseCommand<T>(spec: CommandSpec<T>, argv: readonly string[]): Given<T> | string {
  const parser = spec.options(baseParser(helpWidth()));
  let help: string | undefined;
  const parsed = parser.parseSync([...argv], {}, (error, _parsed, output) => {
    if (error !== undefined && error !== null) {
      throw usageError(spec.name, explain(error.message, optionNames(parser)));
    }
    if (output !== '') help = output;
  });
  if (help !== undefined) return commandHelp(spec, help, helpWidth());
  const { _: words, '--': after, $0: _program, ...options } = parsed as Record<string, unknown>;
  refuseTwice(spec, options);
  refuseMissingValues(spec.name, argv, typesOf(parser));
  return { options: options as T, words: texts(words), after: texts(after) };
}

/** Returns a usage error that points to the command's help. */
export function usageError(command: string, message: string): JobError {
  return new JobError('usage', message, { hint: `${PROGRAM} ${command} --help lists the options` });
}

/** Wraps text at a width; lines that begin with a space stay as they are. */
export function wrapped(text: string, width: number): string {
  return text
    .split('\n')
    .map((line) => (line.startsWith(' ') ? line : wrapLine(line, width)))
    .join('\n');
}

/** Returns the width of help in columns. */
export function helpWidth(): number {
  const columns = process.stdout.columns ?? (Number(process.env.COLUMNS) || USUAL);
  return Math.max(NARROWEST, Math.min(WIDEST, columns));
}

/** Returns a parser that neither prints nor exits, and is strict about options. */
export function baseParser(width: number) {
  return yargs([])
    .scriptName(PROGRAM)
    .usage('')
    .help()
    .alias('h', 'help')
    .describe('help', 'show this help')
    .version(false)
    .exitProcess(false)
    .showHelpOnFail(false)
    .strictOptions()
    .wrap(width)
    .parserConfiguration({
      'dot-notation': false,
      'boolean-negation': false,
      'camel-case-expansion': false,
      'parse-positional-numbers': false,
      'populate--': true,
    });
}

function commandHelp<T>(spec: CommandSpec<T>, options: string, width: number): string {
  const { name, forms, examples, about, text, epilogue } = spec;
  const lines = (list: readonly string[]) => list.map((line) => `  ${line}`).join('\n');
  return [
    `Usage:\n${lines(forms.map((form) => `${PROGRAM} ${name} ${form}`.trimEnd()))}`,
    ...(examples.length === 0 ? [] : [`Examples:\n${lines(examples)}`]),
    wrapped(`${about}.${text === undefined ? '' : ` ${text}`}`, width),
    options.trim().replace(/^Options:\n/, 'Options:\n'),
    ...(epilogue === undefined ? [] : [wrapped(epilogue, width)]),
    '',
  ].join('\n\n');
}

function wrapLine(line: string, width: number): string {
  const lines: string[] = [];
  for (const word of line.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}

function texts(words: unknown): readonly string[] {
  return Array.isArray(words) ? words.map(String) : [];
}

/** Refuses a second value of an option; a switch may be repeated. */
function refuseTwice(
  { name: command, repeatable = [] }: Pick<CommandSpec<unknown>, 'name' | 'repeatable'>,
  options: Readonly<Record<string, unknown>>,
): void {
  for (const [name, value] of Object.entries(options)) {
    if (!Array.isArray(value) || repeatable.includes(name)) continue;
    if (value.every((one) => typeof one === 'boolean')) Reflect.set(options, name, value.at(-1));
    else throw usageError(command, `--${name} is given twice: ${value.join(' and ')}`);
  }
}

/**
 * Refuses options without their value (`--strength="$S"` without an S, `--max-hours` as the last word). yargs
 * takes that for 0, for nothing, or for an empty name.
 */
function refuseMissingValues(
  command: string,
  argv: readonly string[],
  { numbers, texts: strings }: Readonly<Record<'numbers' | 'texts', ReadonlySet<string>>>,
): void {
  const end = argv.indexOf('--');
  const own = end === -1 ? argv : argv.slice(0, end);
  for (const [at, word] of own.entries()) {
    const [, name, value = own[at + 1]] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (name === undefined || (!numbers.has(name) && !strings.has(name))) continue;
    const kind = numbers.has(name) ? 'a number' : 'a value';
    if (value?.trim() === '')
      throw usageError(command, `--${name} takes ${kind}, and was given an empty value`);
    // A number may be negative; a name that begins with a dash is written --name=-x.
    if (value === undefined || (word === `--${name}` && /^--?[a-z]/i.test(value)))
      throw usageError(command, `--${name} takes ${kind}, and was given none`);
  }
}

/** Returns the names of a parser's options that take numbers, and texts. */
function typesOf(parser: object): Readonly<Record<'numbers' | 'texts', ReadonlySet<string>>> {
  const { getOptions } = parser as { getOptions(): { readonly number: string[]; readonly string: string[] } };
  const { number, string } = getOptions.call(parser);
  return { numbers: new Set(number), texts: new Set(string) };
}

/** Returns the names of a parser's options, which yargs' types do not declare. */
function optionNames(parser: object): readonly string[] {
  const { getOptions } = parser as { getOptions(): { readonly key: object } };
  return Object.keys(getOptions.call(parser).key);
}

/** Rewords yargs' message about a bad option, with a suggestion. */
function explain(message: string, names: readonly string[]): string {
  const unknown = /^Unknown arguments?: (.+)$/s.exec(message)?.[1];
  if (unknown !== undefined) {
    const options = names.map((name) => (name.length === 1 ? `-${name}` : `--${name}`));
    return [...new Set(unknown.split(', '))]
      .map((name) => (name.length === 1 ? `-${name}` : `--${name}`))
      .map((option) => `unknown option ${option}${didYouMean(option, options)}`)
      .join('; ');
  }
  const [, option, given = '', choices = ''] =
    /^Invalid values:\n {2}Argument: ([^,]+), Given: "(.*)", Choices: (.+)$/s.exec(message) ?? [];
  if (option === undefined) return message;
  const allowed = choices.split(', ').map((choice) => choice.replaceAll('"', ''));
  const meant = nearest(given, allowed);
  const hint = meant === undefined ? '' : `: did you mean ${meant}?`;
  return `--${option} is one of ${allowed.join(', ')}, and cannot be ${JSON.stringify(given)}${hint}`;
}
