import yargs from 'yargs';

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
  return version === false ? parser.version(false) : parser.version(version);
}
