import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createJob, kubectlIn } from '../../cluster/kubectl.js';
import { renderManifest } from '../../cluster/kubernetes.js';
import { followJob } from '../../cluster/kubernetes-follow.js';
import { ranks } from '../../cluster/kubernetes-job.js';
import type { Log } from '../../report/log.js';
import { packageRoot } from '../../system/package.js';
import type { KubernetesCommand } from './parse-k8s.js';

/** The context of the command; the process by default. */
export interface CommandContext {
  /** The environment of kubectl. */
  readonly environment: NodeJS.ProcessEnv;
  /** Writes to standard output. */
  readonly print: (text: string) => void;
  readonly pause?: (ms: number) => Promise<unknown>;
}

const PROCESS: CommandContext = {
  environment: process.env,
  print: (text) => void process.stdout.write(text),
};

/**
 * Submits the job, or prints its manifest. Standard output gets the job's name, or the manifest. Returns the
 * exit code: 0, or with `wait` the job's own.
 *
 * @throws {JobError} cluster: when kubectl is missing or the cluster refuses.
 */
export async function runKubernetes(
  command: KubernetesCommand,
  log: Log,
  context: CommandContext = PROCESS,
): Promise<number> {
  const { environment, print, pause } = context;
  const { job, wait, dryRun } = command;
  const template = await readFile(join(packageRoot(), 'k8s', 'mpijob.yaml'), 'utf8');
  const manifest = renderManifest(template, job);
  if (dryRun) {
    print(manifest);
    return 0;
  }
  const kubectl = kubectlIn(job.namespace, environment);
  await createJob(kubectl, manifest);
  print(`${job.name}\n`);
  log.info(
    `job ${job.name} is submitted: ${ranks(job)} ranks in namespace ${job.namespace}; kubectl delete mpijob ${job.name} -n ${job.namespace} ends it`,
    { job: job.name, namespace: job.namespace },
  );
  if (!wait) return 0;
  return followJob(job, {
    kubectl,
    log,
    write: (line) => void process.stderr.write(line),
    ...(pause === undefined ? {} : { pause }),
  });
}
