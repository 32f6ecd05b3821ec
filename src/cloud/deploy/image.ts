/**
 * The image in the registry: built there by ACR Tasks, as `az acr build` does, or imported. The requests are
 * those of learn.microsoft.com/rest/api/container-registry (registries, runs; 2019-04-01).
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { JobError } from '../../system/errors.js';
import type { Resource } from '../aml-provision.js';
import { type Json, type JsonObject, textAt } from '../json.js';
import { settle } from '../operations.js';
import { oneLine } from '../refusals.js';
import type { BuildContext } from './build-context.js';
import { type DeployRequest, groupId, type Place, TAG, taggingOf } from './deployment.js';
import type { Inquiry } from './preflight.js';
import type { Transfer } from './transfer.js';

export const TASKS_API = '2019-04-01';
export const REGISTRY_API = '2023-07-01';
export const REPOSITORY = 'framescatter';
const BUILD_LIMIT_S = 7200;
const POLL_MS = 15_000;
const TAIL = 15;

export interface ImageWork extends Inquiry {
  readonly transfer: Transfer;
}

/** The image that is wanted: built from sources, or imported. */
export type Wanted =
  | { readonly kind: 'build'; readonly tag: string; readonly context: BuildContext }
  | { readonly kind: 'import'; readonly tag: string; readonly source: string };

/** Returns the image for the request. The tag follows from the content: the same content is made once. */
export function wantedImage(
  request: Pick<DeployRequest, 'image' | 'gpusPerNode'>,
  release: string,
  context: BuildContext | undefined,
): Wanted {
  const short = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 12);
  if (request.image !== undefined)
    return { kind: 'import', tag: `imported-${short(request.image)}`, source: request.image };
  if (context === undefined) throw new Error('an image is built from sources');
  const tag = `${release}-${accelerator(request)}-${short(context.digest)}`;
  return { kind: 'build', tag, context };
}

/** Returns the request that builds the image; `source` is where the sources were uploaded to. */
export function buildBody(
  request: Pick<DeployRequest, 'gpusPerNode'>,
  tag: string,
  source: string,
): JsonObject {
  const build = { ACCELERATOR: accelerator(request), RUN_AS: 'root', TELEMETRY: 'azure' };
  return {
    type: 'DockerBuildRequest',
    imageNames: [`${REPOSITORY}:${tag}`],
    isPushEnabled: true,
    noCache: false,
    sourceLocation: source,
    dockerFilePath: 'Dockerfile',
    platform: { os: 'Linux', architecture: 'amd64' },
    agentConfiguration: { cpu: 2 },
    timeout: BUILD_LIMIT_S,
    arguments: Object.entries(build).map(([name, value]) => ({ name, value, isSecret: false })),
  };
}

/** Returns the request that imports an image from a registry that needs no sign-in. */
export function importBody(tag: string, source: string): JsonObject {
  const [, registryUri, sourceImage] = /^([^/]+)\/(.+)$/.exec(source) ?? [];
  if (registryUri === undefined || sourceImage === undefined) throw new Error(`${source} names no registry`);
  return { source: { registryUri, sourceImage }, targetTags: [`${REPOSITORY}:${tag}`], mode: 'Force' };
}

/** Returns the resource id of the registry, or of something in it. */
export function registryId(place: Place, registry: string, ...path: readonly string[]): string {
  return groupId(place, 'providers', 'Microsoft.ContainerRegistry', 'registries', registry, ...path);
}

/**
 * Makes sure that the image is in the registry. The group's tags say that it is there already, or which run
 * is building it, so that a second call goes on with that run.
 *
 * @throws {JobError} cloud: when Azure refuses, or the build fails; the end of its log is the hint.
 */
export async function ensureImage(
  work: ImageWork,
  request: DeployRequest,
  registry: string,
  wanted: Wanted,
  tags: Readonly<Record<string, string>>,
): Promise<void> {
  if (tags[TAG.image] === wanted.tag) {
    work.log.detail(`the image ${wanted.tag} is in the registry already`);
    return;
  }
  if (wanted.kind === 'import') await importImage(work, request, registry, wanted);
  else {
    const [begunTag, begunRun] = tags[TAG.run]?.split(' ') ?? [];
    const run =
      begunTag === wanted.tag && begunRun !== undefined
        ? begunRun
        : await beginBuild(work, request, registry, wanted);
    await followBuild(work, request, registry, run);
  }
  await tagGroup(work, request, { [TAG.image]: wanted.tag, [TAG.run]: '' });
  work.log.info(`the image ${REPOSITORY}:${wanted.tag} is in the registry ${registry}`);
}

/** Adds tags to the group. */
export async function tagGroup(
  { client }: Inquiry,
  place: Place,
  tags: Readonly<Record<string, string>>,
): Promise<void> {
  const tagging = taggingOf(place, tags);
  await client.send({ ...requestOf(client.management, 'PATCH', tagging), doing: 'marking the group' });
}

async function importImage(
  { client, pause, log }: ImageWork,
  place: Place,
  registry: string,
  { tag, source }: Wanted & { kind: 'import' },
): Promise<void> {
  const doing = `importing the image ${source}`;
  log.info(doing);
  const url = address(client.management, registryId(place, registry, 'importImage'), REGISTRY_API);
  const begun = await client.send({ method: 'POST', url, body: importBody(tag, source), doing });
  const resource = address(client.management, registryId(place, registry), REGISTRY_API);
  await settle(client, begun, { url: resource, doing }, pause);
}

async function beginBuild(
  work: ImageWork,
  request: DeployRequest,
  registry: string,
  { tag, context }: Wanted & { kind: 'build' },
): Promise<string> {
  const { client, transfer, log } = work;
  const doing = 'uploading the sources of the image';
  const upload = address(
    client.management,
    registryId(request, registry, 'listBuildSourceUploadUrl'),
    TASKS_API,
  );
  const { body: place } = await client.send({ method: 'POST', url: upload, doing });
  const [url, source] = [textAt(place, 'uploadUrl'), textAt(place, 'relativePath')];
  if (url === undefined || source === undefined)
    throw new JobError('cloud', `${doing} failed: the registry names no address`);
  await transfer.put(url, context.archive, doing);
  const schedule = address(client.management, registryId(request, registry, 'scheduleRun'), TASKS_API);
  const begun = await client
    .send({
      method: 'POST',
      url: schedule,
      body: buildBody(request, tag, source),
      doing: 'starting the build of the image',
      once: true,
    })
    .catch((error: unknown) => {
      if (!(error instanceof JobError) || !/TasksOperationsNotAllowed/.test(error.message)) throw error;
      throw new JobError('cloud', error.message, {
        hint: 'this subscription may not build images in Azure: push one elsewhere, and give --image REGISTRY/NAME:TAG',
        cause: error,
      });
    });
  const run = textAt(begun.body, 'properties', 'runId') ?? textAt(begun.body, 'name');
  if (run === undefined) throw new JobError('cloud', 'starting the build failed: the answer names no run');
  await tagGroup(work, request, { [TAG.run]: `${tag} ${run}` });
  log.info(`building the image in Azure (run ${run}); this takes some ten minutes`);
  return run;
}

async function followBuild(work: ImageWork, place: Place, registry: string, run: string): Promise<void> {
  const { client, pause = sleep } = work;
  const doing = `building the image (run ${run})`;
  const url = address(client.management, registryId(place, registry, 'runs', run), TASKS_API);
  for (let waited = 0; waited <= BUILD_LIMIT_S * 1000; waited += POLL_MS) {
    const { body } = await client.send({ method: 'GET', url, doing });
    const status = textAt(body, 'properties', 'status') ?? 'Running';
    if (status === 'Succeeded') return;
    if (!/^(?:Queued|Started|Running)$/.test(status)) {
      await tagGroup(work, place, { [TAG.run]: '' });
      throw buildError(doing, status, await logOf(work, place, registry, run), body);
    }
    await sayProgress(work, place, registry, run, status);
    await pause(POLL_MS);
  }
  throw new JobError('cloud', `${doing} has not finished within two hours`, {
    hint: 'run the same command again: it goes on with this run',
  });
}

async function sayProgress(work: ImageWork, place: Place, registry: string, run: string, status: string) {
  const last = (await logOf(work, place, registry, run)).at(-1);
  work.log.info(`image: ${last ?? status.toLowerCase()}`);
}

/** Returns the lines of the run's log; its address is a secret, and is not kept. */
async function logOf(
  { client, transfer }: ImageWork,
  place: Place,
  registry: string,
  run: string,
): Promise<readonly string[]> {
  const url = address(
    client.management,
    registryId(place, registry, 'runs', run, 'listLogSasUrl'),
    TASKS_API,
  );
  const { body } = await client.send({
    method: 'POST',
    url,
    doing: 'reading the log of the build',
    absentIsAnswer: true,
  });
  const link = textAt(body, 'logLink');
  if (link === undefined) return [];
  return (await transfer.get(link))
    .split(/\r?\n|\r/)
    .map(oneLine)
    .filter((line) => line !== '');
}

function buildError(doing: string, status: string, lines: readonly string[], body: Json): JobError {
  const reason = textAt(body, 'properties', 'runErrorMessage');
  const end = lines.slice(-TAIL).join('\n  ');
  return new JobError(
    'cloud',
    `${doing} ended: ${status}${reason === undefined ? '' : ` (${oneLine(reason)})`}`,
    { hint: `the same command starts it again.${end === '' ? '' : ` The end of its log:\n  ${end}`}` },
  );
}

function accelerator({ gpusPerNode }: Pick<DeployRequest, 'gpusPerNode'>): 'cuda' | 'cpu' {
  return gpusPerNode > 0 ? 'cuda' : 'cpu';
}

/** Returns a resource as a request. */
export function requestOf(management: string, method: 'PUT' | 'PATCH', { id, body, apiVersion }: Resource) {
  if (apiVersion === undefined) throw new Error(`${id} has no API version`);
  return { method, url: address(management, id, apiVersion), body };
}

export function address(management: string, id: string, apiVersion: string): string {
  return `${management}${id}?api-version=${apiVersion}`;
}
