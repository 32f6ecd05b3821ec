import { type Document, isMap, isSeq, parseDocument, Scalar } from 'yaml';
import { JobError } from '../system/errors.js';
import { type KubernetesJob, ranks, ranksPerWorker } from './kubernetes-job.js';

type Path = readonly (string | number)[];

const SPEC: Path = ['spec', 'mpiReplicaSpecs'];
const LAUNCHER_POD: Path = [...SPEC, 'Launcher', 'template', 'spec'];
const WORKER_POD: Path = [...SPEC, 'Worker', 'template', 'spec'];
const GPU = 'nvidia.com/gpu';
const VOLUME = 'data';
const QUEUE_LABEL = 'kueue.x-k8s.io/queue-name';
/** The last of the launcher's arguments before those of the job. */
const PROGRAM = '/dist/main.js';

/**
 * Returns the manifest of `job` as YAML: `template` (k8s/mpijob.yaml) with the job filled in. All else in the
 * template stays, comments too, so it is the place for a cluster's own settings.
 *
 * @throws {JobError} cluster: when the template lacks a part that is to be filled in.
 */
export function renderManifest(template: string, job: KubernetesJob): string {
  const manifest = parseDocument(template);
  if (manifest.errors.length > 0) throw templateError(manifest.errors[0]?.message ?? 'it is not YAML');
  const launcher = named(manifest, [...LAUNCHER_POD, 'containers'], 'launcher');
  const worker = named(manifest, [...WORKER_POD, 'containers'], 'worker');

  manifest.setIn(['metadata', 'name'], text(job.name));
  manifest.setIn(['metadata', 'namespace'], text(job.namespace));
  manifest.setIn([...launcher, 'image'], text(job.image));
  manifest.setIn([...worker, 'image'], text(job.image));
  setCounts(manifest, worker, job);
  setVolume(manifest, worker, job.claim);
  setQueue(manifest, job);
  setArguments(manifest, [...launcher, 'args'], job);
  return safeText(manifest.toString({ lineWidth: 0 }));
}

function setCounts(manifest: Document, worker: Path, job: KubernetesJob): void {
  manifest.setIn(['spec', 'slotsPerWorker'], ranksPerWorker(job));
  manifest.setIn([...SPEC, 'Worker', 'replicas'], job.workers);
  const gpus = [...worker, 'resources', 'limits', GPU];
  if (job.gpusPerWorker > 0) manifest.setIn(gpus, job.gpusPerWorker);
  else manifest.deleteIn(gpus);
}

/**
 * Has Kueue start the job: it resumes suspended jobs that it knows by this label. Gang schedulers wait for
 * `minAvailable` pods, and the launcher comes only after the workers (mpi-operator issue 608).
 */
function setQueue(manifest: Document, job: KubernetesJob): void {
  if (job.queue === undefined) return;
  manifest.setIn(['metadata', 'labels', QUEUE_LABEL], text(job.queue));
  manifest.setIn(['spec', 'runPolicy', 'suspend'], true);
  manifest.setIn(['spec', 'runPolicy', 'schedulingPolicy', 'minAvailable'], job.workers);
}

function setVolume(manifest: Document, worker: Path, claim: string | undefined): void {
  const volume = named(manifest, [...WORKER_POD, 'volumes'], VOLUME);
  if (claim !== undefined) {
    manifest.setIn([...volume, 'persistentVolumeClaim', 'claimName'], text(claim));
    return;
  }
  manifest.deleteIn(volume);
  manifest.deleteIn(named(manifest, [...worker, 'volumeMounts'], VOLUME));
}

function setArguments(manifest: Document, path: Path, job: KubernetesJob): void {
  const given = manifest.getIn(path);
  const args = isSeq(given) ? (given.toJSON() as readonly unknown[]).map(String) : [];
  const count = args.indexOf('-np') + 1;
  const program = args.findIndex((arg) => arg.endsWith(PROGRAM));
  if (!isSeq(given) || count === 0 || program < count) {
    throw templateError(`the launcher's arguments are not mpirun -np N ... ${PROGRAM}`);
  }
  manifest.setIn([...path, count], text(String(ranks(job))));
  given.items.length = program + 1;
  given.items.push(...job.args.map((arg) => text(escapeVariables(arg))));
}

/**
 * Escapes dollar signs. Kubernetes replaces `$(NAME)` in a container's arguments, and `$$` by a dollar sign
 * (kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container).
 */
function escapeVariables(arg: string): string {
  return arg.replaceAll('$', '$$$$');
}

/**
 * Returns a quoted scalar. This writes YAML 1.2 and kubectl reads YAML 1.1, in which unquoted text may be a
 * number, a boolean or a date (`on`, `1_000`, `1:30`).
 */
function text(value: string): Scalar<string> {
  const scalar = new Scalar(value);
  scalar.type = Scalar.QUOTE_DOUBLE;
  return scalar;
}

/** Escapes characters that YAML 1.1 or terminals treat specially. They occur only in quoted text. */
function safeText(yaml: string): string {
  return yaml.replace(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Returns the path of the entry of a list with this `name`. */
function named(manifest: Document, list: Path, name: string): Path {
  const entries = manifest.getIn(list);
  const index = isSeq(entries)
    ? entries.items.findIndex((entry) => isMap(entry) && entry.get('name') === name)
    : -1;
  if (index < 0) throw templateError(`it has no ${name} in ${list.join('.')}`);
  return [...list, index];
}

function templateError(reason: string): JobError {
  return new JobError('cluster', `k8s/mpijob.yaml cannot be filled in: ${reason}`, {
    hint: 'compare it with the original of this version of framescatter',
  });
}
