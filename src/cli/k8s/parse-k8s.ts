import { randomBytes } from 'node:crypto';
import { posix } from 'node:path';
import { blobAddress } from '../../cloud/job-arguments.js';
import { type KubernetesJob, VOLUME_FOLDER } from '../../cluster/kubernetes-job.js';
import { isAddress } from '../../storage/location/location.js';
import type { JobError } from '../../system/errors.js';
import {
  type CheckJob,
  type CommandSpec,
  parseCommand,
  type Text,
  usageError,
} from '../parsing/command-line.js';
import { submitOptions } from '../parsing/common-options.js';
import { optionValues } from '../parsing/option-values.js';
import { refuseSecrets } from '../parsing/secret-args.js';

/** The request of `submit k8s`. */
export type KubernetesCommand = {
  readonly kind: 'submit';
  readonly job: KubernetesJob;
  /** Follow the job to its end. */
  readonly wait: boolean;
  /** Print the manifest instead. */
  readonly dryRun: boolean;
};

export const SUBMIT_K8S = {
  name: 'submit k8s',
  about: 'Run a job on Kubernetes with the Kubeflow MPI Operator',
  forms: ['INPUT OUTPUT --image IMAGE [options] [-- JOB OPTIONS]'],
  examples: [
    'framescatter submit k8s IN OUT --image REGISTRY.azurecr.io/framescatter:1',
    'framescatter submit k8s a.mp4 b.mp4 --claim films --image IMAGE --wait',
  ],
  text:
    'Works through kubectl and its current context. INPUT and OUTPUT are https addresses in Blob storage or, with ' +
    '--claim, paths on that volume.',
  epilogue: `Sizes, tolerations and limits of the pods are in k8s/mpijob.yaml.
Exit code: with --wait the job's own; otherwise whether the cluster took it.
docs/kubernetes.md leads from the start to a finished video.`,
  options: (parser) =>
    submitOptions(
      parser
        .option('image', { type: 'string', describe: 'the image, REGISTRY.azurecr.io/framescatter:TAG' })
        .option('workers', { type: 'number', default: 1, describe: 'worker pods' })
        .option('gpus-per-worker', {
          type: 'number',
          default: 1,
          describe: 'GPUs of each, with a rank each; 0 for one rank on the CPU',
        })
        .option('namespace', { type: 'string', default: 'framescatter', describe: 'namespace of the job' })
        .option('name', { type: 'string', describe: 'name of the job; default: a free one' })
        .option('claim', {
          type: 'string',
          describe: 'persistent volume claim with INPUT and OUTPUT, which are then paths on it',
        })
        .option('queue', {
          type: 'string',
          describe: 'Kueue queue, which starts the job once all its pods have room',
        }),
      'the manifest',
    ),
} satisfies CommandSpec<unknown>;
const HINT = "give the address without it: the pods' identity reads and writes the blobs";
const { whole } = optionValues(usage);

/** DNS-1123 label. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
/** DNS-1035 label: the MPI Operator makes a service of a job's name. */
const NAME = /^[a-z](?:[a-z0-9-]*[a-z0-9])?$/;
/** DNS-1123 subdomain. */
const CLAIM = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
const IMAGE =
  /^[a-z0-9][\w.-]*(?::\d+)?(?:\/[a-z0-9][\w.-]*)*(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;
const LONGEST_LABEL = 63;
const LONGEST_CLAIM = 253;
const MOST_WORKERS = 1000;
const MOST_GPUS = 16;

/**
 * Parses what follows `submit k8s`. Pure, except for the random end of the job's name. `checkJob` checks the
 * job's own options before pods are created.
 *
 * @throws {JobError} usage: when the arguments are not valid.
 */
export function parseKubernetes(argv: readonly string[], checkJob: CheckJob): KubernetesCommand | Text {
  const given = parseCommand(SUBMIT_K8S, argv);
  if (typeof given === 'string') return { kind: 'text', text: given };
  const { options: parsed, words: places, after: options } = given;
  const [input = '', output = ''] = places;
  if (places.length !== 2 || input === '' || output === '') {
    throw usage('submit k8s takes an INPUT and an OUTPUT');
  }
  const claim = parsed.claim === undefined ? undefined : label('claim', parsed.claim, CLAIM, LONGEST_CLAIM);
  const job = [place('INPUT', input, claim), place('OUTPUT', output, claim), ...options];
  checkJob(job);
  // The cluster keeps and shows manifests.
  refuseSecrets(options, 'the cluster would keep and show', HINT);
  if (options.includes(':'))
    throw usage('an option of the job cannot be a lone colon: mpirun takes it for another program');
  const workers = whole('workers', parsed.workers, 1, MOST_WORKERS);
  return {
    kind: 'submit',
    wait: parsed.wait,
    dryRun: parsed['dry-run'],
    job: {
      name: jobName(parsed.name, workers),
      namespace: label('namespace', parsed.namespace, LABEL, LONGEST_LABEL),
      image: label('image', parsed.image ?? '', IMAGE, Number.POSITIVE_INFINITY),
      workers,
      gpusPerWorker: whole('gpus-per-worker', parsed['gpus-per-worker'], 0, MOST_GPUS),
      claim,
      queue: parsed.queue === undefined ? undefined : label('queue', parsed.queue, CLAIM, LONGEST_LABEL),
      args: job,
    },
  };
}

/** INPUT or OUTPUT as the ranks see it. */
function place(what: string, given: string, claim: string | undefined): string {
  if (isAddress(given)) return blobAddress(given, what);
  if (claim === undefined) {
    throw usage(
      `${what} is a path, and pods cannot see this machine's files: give --claim or an https address`,
    );
  }
  const path = posix.resolve(VOLUME_FOLDER, given);
  if (given.includes('\0') || !path.startsWith(`${VOLUME_FOLDER}/`)) {
    throw usage(
      `${what} ${JSON.stringify(given)} is not on the volume, which pods mount at ${VOLUME_FOLDER}`,
    );
  }
  return path;
}

function jobName(given: string | undefined, workers: number): string {
  const name = given ?? `framescatter-${randomBytes(4).toString('hex')}`;
  // The longest name that the operator derives from it.
  return label('name', name, NAME, LONGEST_LABEL - `-worker-${workers - 1}`.length);
}

function label(option: string, value: string, pattern: RegExp, longest: number): string {
  if (pattern.test(value) && value.length <= longest) return value;
  if (value === '') throw usage(`--${option} is missing`);
  if (value.length > longest) throw usage(`--${option} takes at most ${longest} characters`);
  throw usage(`--${option} cannot be ${JSON.stringify(value)}`);
}

function usage(message: string): JobError {
  return usageError(SUBMIT_K8S.name, message);
}
