/** The places of journals: in the workspace's own storage account, which uploaders cannot write. */
import { JobError } from '../system/errors.js';
import { ensure, type Session } from './aml-provision.js';
import type { PlacedJob, VideoJob } from './job-arguments.js';
import { textAt } from './json.js';
import { idIn, urlOf } from './workspace.js';

/** The container for journals in the workspace's storage account; aml/infra/storage.json makes it. */
export const JOURNALS = 'journals';
/** The datastore that every workspace has: its storage account, without a credential. */
const DATASTORE = 'workspaceblobstore';
const STORAGE_API_VERSION = '2025-01-01';

/**
 * Returns the folder of the journal of `result` below `root`, as ROOT/ACCOUNT/CONTAINER/NAME: the same for
 * every job with that output, so that the next one resumes.
 */
export function journalBelow(root: string, result: string): string {
  const [, account, path] = /^https?:\/\/([^./:]+)[^/]*(\/.+)$/.exec(result) ?? [];
  if (account === undefined) throw new Error(`${result} is not the address of a blob`);
  return `${root}/${account}${path}`;
}

/** Returns a job with a place for its journal, below `root` unless the job has one. */
export function withJournalBelow(job: VideoJob, root: string): PlacedJob {
  return { ...job, workDir: job.workDir ?? journalBelow(root, job.result) };
}

/**
 * Returns a job with a place for its journal: by default in the workspace's storage account. `storage` is the
 * resource id of that account if the container is to be created where it is missing.
 *
 * @throws {JobError} cloud: when the account cannot be found out.
 */
export async function placeJournal(
  session: Session,
  job: VideoJob,
  storage: string | undefined,
): Promise<PlacedJob> {
  if (job.workDir !== undefined) return { ...job, workDir: job.workDir };
  if (storage !== undefined) await ensure(session, journalContainer(storage), `the container ${JOURNALS}`);
  return withJournalBelow(job, await journalRoot(session));
}

/** Returns the container for journals as a resource of the storage account with the id `storage`. */
export function journalContainer(storage: string) {
  const id = `${storage}/blobServices/default/containers/${JOURNALS}`;
  return { id, body: { properties: { publicAccess: 'None' } }, apiVersion: STORAGE_API_VERSION };
}

async function journalRoot({ client, workspace }: Session): Promise<string> {
  const url = urlOf(client.management, idIn(workspace, 'datastores', DATASTORE));
  const doing = `looking up the storage account of the workspace ${workspace.name}`;
  const { body } = await client.send({ method: 'GET', url, doing });
  const [account, endpoint] = ['accountName', 'endpoint'].map((key) => textAt(body, 'properties', key));
  if (account !== undefined && endpoint !== undefined)
    return `https://${account}.blob.${endpoint}/${JOURNALS}`;
  throw new JobError('cloud', `${doing} failed: the datastore ${DATASTORE} names no account`, {
    hint: 'give the journal a place: --journals https://ACCOUNT.blob.core.windows.net/CONTAINER',
  });
}
