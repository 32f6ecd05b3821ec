import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { JobError } from '../system/errors.js';

/** kubectl, in one namespace of its current context. */
export interface Kubectl {
  /** Runs it to its end. JobError `cluster` where it cannot be run. */
  run(words: readonly string[], input?: string): Promise<KubectlOutcome>;
  /** Runs it and passes on the lines of its standard output as they come. */
  lines(words: readonly string[], take: (line: string) => void): KubectlStream;
}

export interface KubectlOutcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface KubectlStream {
  /** Settles when kubectl has ended, however; never rejects. */
  readonly ended: Promise<void>;
  stop(): void;
}

const MPI_JOBS = 'mpijobs.v2beta1.kubeflow.org';
const JOB_LABEL = 'training.kubeflow.org/job-name';

/** What to do about a refusal, by what it says. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [
    /no matches for kind|doesn't have a resource type/i,
    'the cluster lacks the Kubeflow MPI Operator: docs/kubernetes.md says how to install it',
  ],
  [/namespaces? "?[^"]*"? not found/i, 'kubectl apply -f k8s/setup.yaml makes the namespace framescatter'],
  [/already ?exists/i, 'give another --name, or none'],
  [
    /forbidden|unauthori[sz]ed|must be logged in|provide credentials/i,
    'kubectl auth whoami says who you are',
  ],
  [
    /connection|unable to connect|no such host|timeout|current-context|no configuration|refused/i,
    'az aks get-credentials -n CLUSTER -g GROUP makes a cluster the one that kubectl talks to; kubectl cluster-info tries it',
  ],
];

/** What stands before the reason. */
const PREFIX = /^(?:error|Error from server(?: \(\w+\))?): (?:error when creating "STDIN": )?/;

/** kubectl as the PATH of `environment` finds it. */
export function kubectlIn(namespace: string, environment: NodeJS.ProcessEnv): Kubectl {
  const start = (words: readonly string[]) =>
    spawn('kubectl', ['--namespace', namespace, ...words], {
      env: environment,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  return {
    run(words, input = '') {
      return new Promise((resolve, reject) => {
        const child = start(words);
        let stdout = '';
        let stderr = '';
        child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
          stdout += chunk;
        });
        child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
          stderr += chunk;
        });
        child.on('error', (cause) => reject(missing(cause)));
        child.on('close', (code) => resolve({ code: code ?? 1, stdout, stderr }));
        child.stdin.on('error', () => {}); // one that ended without reading: its exit code tells
        child.stdin.end(input);
      });
    },
    lines(words, take) {
      const child = start(words);
      child.stdin.on('error', () => {});
      child.stdin.end();
      child.stderr.resume();
      const reader = createInterface({ input: child.stdout, crlfDelay: Number.POSITIVE_INFINITY });
      reader.on('line', take);
      const ended = new Promise<void>((resolve) => {
        child.on('error', () => resolve());
        child.on('close', () => resolve());
      });
      return { ended, stop: () => void child.kill() };
    },
  };
}

/**
 * Makes the MPIJob of a manifest. Created, not applied: a job that is there already is left alone. JobError `cluster` with
 * the cluster's own words where it refuses.
 */
export async function createJob(kubectl: Kubectl, manifest: string): Promise<void> {
  const { code, stderr } = await kubectl.run(['create', '--filename', '-'], manifest);
  if (code !== 0) throw refused('Kubernetes refused the job', stderr);
}

/** The MPIJob `name` as JSON; undefined where there is none (any more). */
export function getJob(kubectl: Kubectl, name: string): Promise<unknown> {
  return get(kubectl, [MPI_JOBS, name, '--ignore-not-found']);
}

/** The list of the pods of the MPIJob `name` as JSON. */
export function getPods(kubectl: Kubectl, name: string): Promise<unknown> {
  return get(kubectl, ['pods', '--selector', `${JOB_LABEL}=${name}`]);
}

async function get(kubectl: Kubectl, words: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await kubectl.run(['get', ...words, '--output', 'json']);
  if (code !== 0) throw refused(`Kubernetes does not tell of ${words[0]}`, stderr);
  return stdout.trim() === '' ? undefined : (JSON.parse(stdout) as unknown);
}

function refused(what: string, stderr: string): JobError {
  const reasons = stderr
    .split('\n')
    .map((line) => line.replace(PREFIX, '').trim())
    .filter((line) => line !== '');
  const reason = reasons.length === 0 ? 'without a reason' : reasons.join('; ');
  const remedy = REMEDIES.find(([pattern]) => pattern.test(stderr))?.[1];
  return new JobError('cluster', `${what}: ${reason}`, {
    hint: remedy ?? '--dry-run prints the manifest, for kubectl create -f by hand',
  });
}

function missing(cause: Error): JobError {
  return new JobError('cluster', `kubectl cannot be run: ${cause.message}`, {
    hint: 'install it (az aks install-cli); --dry-run prints the manifest without it',
    cause,
  });
}
