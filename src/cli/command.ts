import type { AmlCommand } from './aml/parse-aml.js';
import type { CompareCommand } from './compare/parse-compare.js';
import type { DeployCommand } from './deploy/parse-deploy.js';
import type { JobCommand } from './job/parse-job.js';
import type { KubernetesCommand } from './k8s/parse-k8s.js';
import type { Text } from './parsing/command-line.js';
import type { PlanCommand } from './plan/parse-plan.js';
import type { PreviewCommand } from './preview/parse-preview.js';
import type { ProbeCommand } from './probe/parse-probe.js';
import type { RetryCommand } from './retry/parse-retry.js';
import type { SlurmCommand } from './slurm/parse-slurm.js';
import type { WatchCommand } from './watch/parse-watch.js';

/** A parsed command line. Commands of clusters are wrapped, since their kinds have the same names. */
export type Command =
  | Text
  | JobCommand
  | PreviewCommand
  | PlanCommand
  | CompareCommand
  | ProbeCommand
  | RetryCommand
  | { readonly kind: 'doctor'; readonly json: boolean }
  | { readonly kind: 'models'; readonly json: boolean }
  | { readonly kind: 'inspect'; readonly file: string; readonly json: boolean }
  | { readonly kind: 'completion' }
  | { readonly kind: 'complete'; readonly words: readonly string[] }
  | { readonly kind: 'slurm'; readonly command: SlurmCommand }
  | { readonly kind: 'k8s'; readonly command: KubernetesCommand }
  | { readonly kind: 'aml'; readonly command: AmlCommand }
  | { readonly kind: 'azure'; readonly command: DeployCommand }
  | { readonly kind: 'watch'; readonly command: WatchCommand };

/** A command with work for all ranks. */
export type WorkCommand = JobCommand | PreviewCommand;

/** Returns whether all ranks together run a command. */
export function isWork(command: Command): command is WorkCommand {
  return ['job', 'queue', 'pictures', 'preview'].includes(command.kind);
}
