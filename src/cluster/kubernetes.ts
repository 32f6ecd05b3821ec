import { type Document, isMap, isSeq, parseDocument, Scalar } from 'yaml';
import { JobError } from '../system/errors.js';
import { type KubernetesJob, ranks, ranksPerWorker } from './kubernetes-job.js';

type Path = readonly (string | number)[];

const SPEC: Path = ['spec', 'mpiReplicaSpecs'];
const LAUNCHER_POD: Path = [...SPEC, 'Launcher', 'template', 'spec'];
const WORKER_POD: Path = [...SPEC, 'Worker', 'template', 'spec'];
const GPU = 'nvidia.com/gpu';
const VOLUME = 'data';
/** The last word of the launcher's arguments that is not the job's. */
const PROGRAM = '/dist/main.js';

/**
 * The manifest of `job`: `template` (k8s/mpijob.yaml) with the job filled in, as YAML, with its comments. Whatever else the
 * template says stays, so that a cluster's own settings belong there. A template without a part that is to be filled in
 * is a JobError `cluster`.
 */
export function renderManifest(template: string, job: KubernetesJob): string {
  const manifest = parseDocument(template);
  if (manifest.errors.length > 0) throw unfit(manifest.errors[0]?.message ?? 'it is not YAML');
  const launcher = named(manifest, [...LAUNCHER_POD, 'containers'], 'launcher');
  const worker = named(manifest, [...WORKER_POD, 'containers'], 'worker');

  manifest.setIn(['metadata', 'name'], text(job.name));
  manifest.setIn(['metadata', 'namespace'], text(job.namespace));
  manifest.setIn([...launcher, 'image'], text(job.image));
  manifest.setIn([...worker, 'image'], text(job.image));
  setCounts(manifest, worker, job);
  setVolume(manifest, worker, job.claim);
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
  const words = isSeq(given) ? (given.toJSON() as readonly unknown[]).map(String) : [];
  const count = words.indexOf('-np') + 1;
  const program = words.findIndex((word) => word.endsWith(PROGRAM));
  if (!isSeq(given) || count === 0 || program < count) {
    throw unfit(`its launcher's arguments are not mpirun -np N ... ${PROGRAM}`);
  }
  manifest.setIn([...path, count], text(String(ranks(job))));
  given.items.length = program + 1;
  given.items.push(...job.words.map((word) => text(escapeVariables(word))));
}

/**
 * Kubernetes puts variables into a container's arguments: `$(NAME)` is one, and `$$` stands for a dollar sign
 * (kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container).
 */
function escapeVariables(word: string): string {
  return word.replaceAll('$', '$$$$');
}

/**
 * Always quoted: what is plain text in YAML 1.2, in which we write, may be a number, a boolean or a date in YAML 1.1, as
 * which kubectl reads it (`on`, `1_000`, `1:30`).
 */
function text(value: string): Scalar<string> {
  const scalar = new Scalar(value);
  scalar.type = Scalar.QUOTE_DOUBLE;
  return scalar;
}

/** Characters that YAML 1.1 takes for line ends or for none of its own, or terminals for commands: only texts in quotes have them. */
function safeText(yaml: string): string {
  return yaml.replace(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The path of the entry of a list whose `name` is this. */
function named(manifest: Document, list: Path, name: string): Path {
  const entries = manifest.getIn(list);
  const index = isSeq(entries)
    ? entries.items.findIndex((entry) => isMap(entry) && entry.get('name') === name)
    : -1;
  if (index < 0) throw unfit(`it has no ${name} in ${list.join('.')}`);
  return [...list, index];
}

function unfit(reason: string): JobError {
  return new JobError('cluster', `k8s/mpijob.yaml cannot be filled in: ${reason}`, {
    hint: 'compare it with the one that framescatter came with',
  });
}
