import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createJob, kubectlIn } from '../../cluster/kubectl.js';
import { renderManifest } from '../../cluster/kubernetes.js';
import { followJob } from '../../cluster/kubernetes-follow.js';
import { ranks } from '../../cluster/kubernetes-job.js';
import type { Log } from '../../report/log.js';
import { packageRoot } from '../../system/package.js';
import type { KubernetesCommand } from './parse-k8s.js';

/** What the command works in; the process by default. */
export interface Surroundings {
  /** Where kubectl is found and what it reads. */
  readonly environment: NodeJS.ProcessEnv;
  /** Takes what is for standard output. */
  readonly print: (text: string) => void;
  readonly pause?: (ms: number) => Promise<unknown>;
}

const PROCESS: Surroundings = {
  environment: process.env,
  print: (text) => void process.stdout.write(text),
};

/**
 * Submits the job, or prints its manifest. Standard output gets the job's name, or the manifest. The exit code: 0, or with
 * `wait` the job's own. Errors: JobError `cluster` where kubectl is missing or the cluster refuses.
 */
export async function runKubernetes(
  command: KubernetesCommand,
  log: Log,
  surroundings: Surroundings = PROCESS,
): Promise<number> {
  const { environment, print, pause } = surroundings;
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
