import { listModels } from '../model/load/catalogue.js';
import { modelsFolder } from '../system/package.js';
import { parserAfter } from './commands.js';

/** Prints yargs' completion script for the shell that SHELL names. */
export function printCompletionScript(): number {
  parserAfter([]).parser.completion('completion', false).showCompletionScript();
  return 0;
}

/** Prints the completions of the last of `words`, one per line. The first is the program's name. */
export async function printCompletions(words: readonly string[]): Promise<number> {
  const typed = words.at(-1) ?? '';
  const known = (await completionsOf(words)).filter((word) => word.startsWith(typed));
  process.stdout.write(known.map((word) => `${word}\n`).join(''));
  return 0;
}

async function completionsOf(words: readonly string[]): Promise<readonly string[]> {
  if (words.at(-2) === '--model') {
    const names = (await listModels(modelsFolder())).map(({ name }) => name);
    return [...new Set(names)];
  }
  const { parser, words: own } = parserAfter(words.slice(1));
  return parser.getCompletion([...own]);
}
