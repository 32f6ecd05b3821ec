import { JobError } from '../system/errors.js';
import { type AmlCommand, parseAml } from './aml/aml.js';
import { type KubernetesCommand, parseKubernetes } from './k8s/submit-k8s.js';
import { parseSlurm, type SlurmCommand } from './slurm/submit-slurm.js';
import { parseWatch, type WatchCommand } from './watch/watch.js';

/** Commands that run jobs on a cluster, make one ready for it, or wait for videos to run them on. */
export type ElsewhereCommand =
  | { readonly kind: 'slurm'; readonly command: SlurmCommand }
  | { readonly kind: 'aml'; readonly command: AmlCommand }
  | { readonly kind: 'k8s'; readonly command: KubernetesCommand }
  | { readonly kind: 'watch'; readonly command: WatchCommand };

const VERBS: readonly (string | undefined)[] = ['submit', 'publish', 'invoke', 'watch'];

/** Whether the arguments ask for one of these commands. */
export function asksForElsewhere(argv: readonly string[]): boolean {
  return VERBS.includes(argv[0]);
}

/**
 * Turns `submit slurm|aml|k8s ...`, `publish aml ...`, `invoke aml ...` or `watch ...` into a command. Pure. `checkJob`
 * throws where words are not those of a job. Bad usage is a JobError `usage`.
 */
export function parseElsewhere(
  argv: readonly string[],
  environment: NodeJS.ProcessEnv,
  checkJob: (words: readonly string[]) => void,
): ElsewhereCommand {
  const [verb, where, ...rest] = argv;
  if (verb === 'watch') return { kind: 'watch', command: parseWatch(argv.slice(1), environment, checkJob) };
  if (where === 'aml' && (verb === 'submit' || verb === 'publish' || verb === 'invoke')) {
    return { kind: 'aml', command: parseAml(verb, rest, environment, checkJob) };
  }
  if (verb === 'submit' && where === 'slurm') return { kind: 'slurm', command: parseSlurm(rest, checkJob) };
  if (verb === 'submit' && where === 'k8s') return { kind: 'k8s', command: parseKubernetes(rest, checkJob) };
  throw new JobError('usage', `${verb} takes ${verb === 'submit' ? 'slurm, aml or k8s' : 'aml'} next`, {
    hint: 'framescatter --help lists the commands',
  });
}
