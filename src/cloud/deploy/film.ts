/** A film through the new cluster: uploaded, styled by a job, and brought back. */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BlobAccess } from '../../storage/azure/blob-access.js';
import { connect } from '../../storage/azure/blob-client.js';
import { blobFacts, blobFactsIfThere, downloadBlob } from '../../storage/azure/blob-input.js';
import { uploadBlob } from '../../storage/azure/blob-output.js';
import { statusOf } from '../../storage/azure/service-errors.js';
import { publishFile } from '../../storage/local/publish-file.js';
import { parseLocation } from '../../storage/location/location.js';
import { syncFile, temporaryBeside } from '../../system/durable.js';
import { JobError } from '../../system/errors.js';
import { fileDigest } from '../../system/file-digest.js';
import type { Scratch } from '../../system/scratch.js';
import { runFfmpeg } from '../../video/ffmpeg/ffmpeg.js';
import { runToEnd } from '../aml-attempts.js';
import type { Session } from '../aml-provision.js';
import type { Submission, SubmittedJob } from '../aml-submit.js';
import { videoJob } from '../job-arguments.js';
import { textAt } from '../json.js';
import { idIn, urlOf } from '../workspace.js';
import type { Deployed } from './deploy.js';
import type { DeployRequest } from './deployment.js';

/** A video on this machine, and where its result goes. */
export interface LocalFilm {
  readonly input: string;
  readonly output: string;
  readonly overwrite: boolean;
}

/** Losing nodes does not end the film. */
const ATTEMPTS = 3;
const RIGHTS_POLL_MS = 15_000;
const RIGHTS_POLLS = 40;
const MOST_RUNS = 20;
const SAMPLE = 'testsrc2=size=640x360:rate=25:duration=4,format=yuv420p';

/**
 * Styles a film, or without one a few seconds of a test picture. A second call for the same film and model
 * follows the job of the first. Returns the address of the result.
 *
 * @throws {JobError} when a transfer or the job fails.
 */
export async function styleFilm(
  session: Session,
  request: DeployRequest,
  deployed: Deployed,
  { film, model, scratch }: { film: LocalFilm | undefined; model: string; scratch: Scratch },
  began: (job: SubmittedJob) => void,
): Promise<string> {
  const { log } = session;
  const path = film?.input ?? (await makeSample(await scratch.folder()));
  const mark = film === undefined ? 'sample' : (await fileDigest(path)).slice(0, 12);
  const name = `${mark}-${basename(path).replace(/[^A-Za-z0-9.-]/g, '_')}`;
  const work = digest([mark, model, deployed.image].join('\n'));
  const input = `${deployed.blobEndpoint}/videos-in/${name}`;
  const output = `${deployed.blobEndpoint}/videos-out/${work}-${name}`;
  const job = videoJob({ input, output, workDir: undefined, model, options: [] });

  const source = await accessOf(input);
  await awaitRights(source, session);
  if ((await blobFactsIfThere(source, source.location.name, { code: 'cloud' })) === undefined) {
    log.info(`uploading ${path} to ${input}`);
    await uploadBlob(source, source.location.name, path, {
      ...{ code: 'cloud', overwrite: true, contentType: 'application/octet-stream' },
    });
  }
  const submission: Submission = {
    job,
    spread: { nodes: request.nodes, gpusPerNode: request.gpusPerNode },
    cluster: {
      ...{ name: request.cluster, lowPriority: false, vmSize: undefined },
      ...{ subnet: undefined, identity: undefined },
    },
    provision: { image: deployed.image, applicationInsights: true },
    name: await usableName(session, `film-${work}`),
  };
  await runToEnd(session, submission, ATTEMPTS, began);
  if (film !== undefined) await bringBack(output, film);
  return output;
}

async function makeSample(folder: string): Promise<string> {
  const file = join(folder, 'sample.mp4');
  await runFfmpeg({
    task: 'making a sample video',
    inputs: [{ from: { lavfi: SAMPLE } }, { from: { lavfi: 'sine=frequency=330:duration=4' } }],
    outputs: [{ to: { file }, options: ['-c:v', 'libx264', '-c:a', 'aac', '-shortest', '-f', 'mp4'] }],
  });
  return file;
}

async function accessOf(address: string): Promise<BlobAccess> {
  const location = parseLocation(address);
  if (location.kind !== 'blob') throw new Error(`${address} is not the address of a blob`);
  return connect(location);
}

/** A role works some minutes after it is given. */
async function awaitRights(access: BlobAccess, { log, pause = sleep }: Session): Promise<void> {
  for (let poll = 0; poll < RIGHTS_POLLS; poll += 1) {
    try {
      await access.container.getBlobClient(access.location.name).getProperties();
      return;
    } catch (error) {
      if (statusOf(error) !== 403) return;
    }
    if (poll === 0) log.info('waiting until your role on the containers takes effect');
    await pause(RIGHTS_POLL_MS);
  }
  throw new JobError('cloud', `you may not read ${access.location.url} after ten minutes`, {
    hint: 'have somebody give you the role Storage Blob Data Contributor on the container videos-in; with --profile private, is your address in --allow-ip?',
  });
}

/** Returns the first name whose job is not there, or did not fail: a failed one is not started again. */
async function usableName({ client, workspace }: Session, base: string): Promise<string> {
  for (let run = 1; run < MOST_RUNS; run += 1) {
    const name = run === 1 ? base : `${base}-run${run}`;
    const { status, body } = await client.send({
      method: 'GET',
      url: urlOf(client.management, idIn(workspace, 'jobs', name)),
      doing: `looking up the job ${name}`,
      absentIsAnswer: true,
    });
    const state = textAt(body, 'properties', 'status') ?? '';
    if (status === 404 || !/^(?:Failed|Canceled|NotResponding)$/i.test(state)) return name;
  }
  throw new JobError('cloud', `the job ${base} failed ${MOST_RUNS} times`, {
    hint: 'look at its logs in the studio (https://ml.azure.com)',
  });
}

/** Downloads the result. It appears at its destination whole or not at all. */
async function bringBack(address: string, { output, overwrite }: LocalFilm): Promise<void> {
  const access = await accessOf(address);
  const { name } = access.location;
  const part = temporaryBeside(output);
  try {
    await downloadBlob(access, name, await blobFacts(access, name, { code: 'output' }), part, {
      code: 'output',
    });
    await syncFile(part);
    await publishFile(part, output, overwrite);
  } finally {
    await fs.rm(part, { force: true });
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
