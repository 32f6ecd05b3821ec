import type { Argv } from 'yargs';

/** Adds the options that say how long a run may last, and what it may cost. */
export function limitOptions<T>(parser: Argv<T>, group: string) {
  return parser
    .option('max-hours', {
      type: 'number',
      group,
      describe: 'stop this run, resumably, after so many hours; 0: never',
    })
    .option('price', {
      type: 'number',
      group,
      describe: 'price of a node for an hour, in any currency: the summary tells the cost',
    })
    .option('max-cost', {
      type: 'number',
      group,
      describe: 'stop this run, resumably, when it has cost so much: hours x nodes x --price',
    });
}
