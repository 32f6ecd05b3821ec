import type { JobError } from '../../system/errors.js';
import { atName, type BlobLocation } from '../location/location.js';
import type { BlobAccess, Purpose } from './blob-access.js';
import { refusal, type Say, serviceCode, statusOf } from './service-errors.js';

/** Returns whether there is no such blob. A missing container is another matter. */
export function isAbsent(error: unknown): boolean {
  return statusOf(error) === 404 && serviceCode(error) !== 'ContainerNotFound';
}

/** The terms for each kind of request in error messages, and the rights that it needs. */
const VERBS = {
  read: { doing: 'reading', letters: ['r'], role: 'Storage Blob Data Reader' },
  list: { doing: 'listing', letters: ['l'], role: 'Storage Blob Data Reader' },
  write: { doing: 'writing', letters: ['w'], role: 'Storage Blob Data Contributor' },
  delete: { doing: 'deleting', letters: ['d'], role: 'Storage Blob Data Contributor' },
} as const satisfies Record<Purpose['verb'], { doing: string; letters: readonly string[]; role: string }>;

/** Returns the error for a request about blobs that failed for good. */
export function blobRefusal(error: unknown, access: BlobAccess, purpose: Purpose): JobError {
  const { credential, retry } = access;
  const location = atName(access.location, purpose.name);
  const { doing, letters, role } = VERBS[purpose.verb];
  return refusal(error, {
    location,
    credential,
    tries: retry.tries,
    code: purpose.code,
    doing,
    needs: { letters, role, scope: `the container "${location.container}"` },
    meaning: (code, status, say) => meaningOf(location, code, status, say),
  });
}

function meaningOf(location: BlobLocation, code: string, status: number, say: Say): JobError | undefined {
  const { url, account, container } = location;
  if (code === 'ContainerNotFound') {
    return say(
      `the account ${account} has no container "${container}"`,
      'create it first, or check the address',
    );
  }
  if (status === 404) return say(`there is no blob ${url}`, 'names are case-sensitive');
  if (code === 'BlobArchived') {
    return say(`${url} is in the archive tier`, 'rehydrate it to the hot or cool tier first');
  }
  if (code.startsWith('Lease')) return say(`${url} is leased by another client (${code})`);
  if (code === 'InvalidBlobType') {
    return say(`${url} exists as a page or append blob`, 'delete it, or give another name');
  }
  if (code === 'BlobImmutableDueToPolicy' || code === 'UnauthorizedBlobOverwrite') {
    return say(`${url} may not be replaced (${code})`, 'give another name');
  }
  return undefined;
}
