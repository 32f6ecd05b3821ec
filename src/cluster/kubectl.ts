import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { JobError } from '../system/errors.js';

/** Runs kubectl in one namespace of its current context. */
export interface Kubectl {
  /**
   * Runs it until it ends.
   *
   * @throws {JobError} cluster: when it cannot be run.
   */
  run(args: readonly string[], input?: string): Promise<KubectlOutcome>;
  /** Runs it and passes on the lines of its standard output as they arrive. */
  lines(args: readonly string[], take: (line: string) => void): KubectlStream;
}

export interface KubectlOutcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running kubectl. Disposing of it kills it. */
export interface KubectlStream extends Disposable {
  /** Resolves when kubectl has ended, in whatever way; never rejects. */
  readonly ended: Promise<void>;
}

const MPI_JOBS = 'mpijobs.v2beta1.kubeflow.org';
const JOB_LABEL = 'training.kubeflow.org/job-name';

/** Hints, by the text of the refusal. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [
    /no matches for kind|doesn't have a resource type/i,
    'install the Kubeflow MPI Operator in the cluster: see docs/kubernetes.md',
  ],
  [/namespaces? "?[^"]*"? not found/i, 'create the namespace framescatter: kubectl apply -f k8s/setup.yaml'],
  [/already ?exists/i, 'give another --name, or omit it'],
  [
    /forbidden|unauthori[sz]ed|must be logged in|provide credentials/i,
    'check your identity: kubectl auth whoami',
  ],
  [
    /connection|unable to connect|no such host|timeout|current-context|no configuration|refused/i,
    'select the cluster: az aks get-credentials -n CLUSTER -g GROUP; test it: kubectl cluster-info',
  ],
];

/** kubectl's prefix of the reason. */
const PREFIX = /^(?:error|Error from server(?: \(\w+\))?): (?:error when creating "STDIN": )?/;

/** Returns the kubectl on the PATH of `environment`. */
export function kubectlIn(namespace: string, environment: NodeJS.ProcessEnv): Kubectl {
  const start = (args: readonly string[]) =>
    spawn('kubectl', ['--namespace', namespace, ...args], {
      env: environment,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  return {
    run(args, input = '') {
      return new Promise((resolve, reject) => {
        const child = start(args);
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
        child.stdin.on('error', () => {}); // if it ended without reading, its exit code tells
        child.stdin.end(input);
      });
    },
    lines(args, take) {
      const child = start(args);
      child.stdin.on('error', () => {});
      child.stdin.end();
      child.stderr.resume();
      const reader = createInterface({ input: child.stdout, crlfDelay: Number.POSITIVE_INFINITY });
      reader.on('line', take);
      const ended = new Promise<void>((resolve) => {
        child.on('error', () => resolve());
        child.on('close', () => resolve());
      });
      return { ended, [Symbol.dispose]: () => void child.kill() };
    },
  };
}

/**
 * Creates the MPIJob of a manifest. Does not change an existing job, as `apply` would.
 *
 * @throws {JobError} cluster: when the cluster refuses, with its reason.
 */
export async function createJob(kubectl: Kubectl, manifest: string): Promise<void> {
  const { code, stderr } = await kubectl.run(['create', '--filename', '-'], manifest);
  if (code !== 0) throw refused('Kubernetes refused the job', stderr);
}

/** Returns the MPIJob `name` as JSON; undefined if it does not exist. */
export function getJob(kubectl: Kubectl, name: string): Promise<unknown> {
  return get(kubectl, [MPI_JOBS, name, '--ignore-not-found']);
}

/** Returns the list of the pods of the MPIJob `name` as JSON. */
export function getPods(kubectl: Kubectl, name: string): Promise<unknown> {
  return get(kubectl, ['pods', '--selector', `${JOB_LABEL}=${name}`]);
}

async function get(kubectl: Kubectl, args: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await kubectl.run(['get', ...args, '--output', 'json']);
  if (code !== 0) throw refused(`Kubernetes cannot list ${args[0]}`, stderr);
  return stdout.trim() === '' ? undefined : (JSON.parse(stdout) as unknown);
}

function refused(what: string, stderr: string): JobError {
  const reasons = stderr
    .split('\n')
    .map((line) => line.replace(PREFIX, '').trim())
    .filter((line) => line !== '');
  const reason = reasons.length === 0 ? 'no reason given' : reasons.join('; ');
  const remedy = REMEDIES.find(([pattern]) => pattern.test(stderr))?.[1];
  return new JobError('cluster', `${what}: ${reason}`, {
    hint: remedy ?? 'print the manifest with --dry-run, and try kubectl create -f',
  });
}

function missing(cause: Error): JobError {
  return new JobError('cluster', `kubectl cannot be run: ${cause.message}`, {
    hint: 'install it (az aks install-cli); --dry-run prints the manifest without kubectl',
    cause,
  });
}
