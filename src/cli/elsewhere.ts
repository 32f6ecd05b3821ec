import { JobError } from '../errors.js';
import { type AmlCommand, parseAml } from './aml.js';
import { parseSlurm, type SlurmCommand } from './submit-slurm.js';

/** Commands that run a job on a cluster, or make the cluster ready for it. */
export type ElsewhereCommand =
  | { readonly kind: 'slurm'; readonly command: SlurmCommand }
  | { readonly kind: 'aml'; readonly command: AmlCommand };

/** Whether the arguments ask for a cluster. */
export function asksForElsewhere(argv: readonly string[]): boolean {
  return argv[0] === 'submit' || argv[0] === 'publish' || argv[0] === 'invoke';
}

/**
 * Turns `submit slurm ...`, `submit aml ...`, `publish aml ...`, `invoke aml ...` into a command. Pure. `checkJob` throws
 * where words are not those of a job. Bad usage is a JobError `usage`.
 */
export function parseElsewhere(
  argv: readonly string[],
  environment: NodeJS.ProcessEnv,
  checkJob: (words: readonly string[]) => void,
): ElsewhereCommand {
  const [verb, where, ...rest] = argv;
  if (where === 'aml' && (verb === 'submit' || verb === 'publish' || verb === 'invoke')) {
    return { kind: 'aml', command: parseAml(verb, rest, environment, checkJob) };
  }
  if (verb === 'submit' && where === 'slurm') return { kind: 'slurm', command: parseSlurm(rest, checkJob) };
  throw new JobError('usage', `${verb} takes ${verb === 'submit' ? 'slurm or aml' : 'aml'} next`, {
    hint: 'framescatter --help lists the commands',
  });
}
