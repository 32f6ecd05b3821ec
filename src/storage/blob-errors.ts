import { JobError, messageOf } from '../errors.js';
import type { BlobAccess, Purpose } from './blob-client.js';
import { atName } from './location.js';
import { isTransient } from './retry.js';
import { redact, type Secret } from './secret.js';

/** HTTP status of a failed request; undefined where there was no answer. */
export function statusOf(error: unknown): number | undefined {
  const status = (error as { statusCode?: unknown } | undefined)?.statusCode;
  return typeof status === 'number' ? status : undefined;
}

/** The service's name for what went wrong, such as `BlobNotFound`. */
export function serviceCode(error: unknown): string {
  const { details, code } = error as { details?: { errorCode?: unknown }; code?: unknown };
  const named = details?.errorCode ?? code;
  return typeof named === 'string' ? named : '';
}

/** True where there is no such blob; a missing container is another matter. */
export function isAbsent(error: unknown): boolean {
  return statusOf(error) === 404 && serviceCode(error) !== 'ContainerNotFound';
}

/** Letters of a SAS's `sp` and the built-in role that each kind of request needs. */
const RIGHTS = {
  read: { letters: ['r'], role: 'Storage Blob Data Reader' },
  list: { letters: ['l'], role: 'Storage Blob Data Reader' },
  write: { letters: ['w'], role: 'Storage Blob Data Contributor' },
  delete: { letters: ['d'], role: 'Storage Blob Data Contributor' },
} as const satisfies Record<Purpose['verb'], { letters: readonly string[]; role: string }>;

const PERMISSION_NAMES: Readonly<Record<string, string>> = {
  r: 'read (r)',
  l: 'list (l)',
  w: 'write (w)',
  d: 'delete (d)',
};

/**
 * What to tell the user of a request that failed for good. The service's error is not made the cause: it holds the whole
 * request, with its address and headers.
 */
export function refusal(error: unknown, access: BlobAccess, purpose: Purpose): JobError {
  const url = atName(access.location, purpose.name).url;
  const status = statusOf(error);
  const code = serviceCode(error);
  const say = (message: string, hint?: string): JobError =>
    new JobError(purpose.code, message, hint === undefined ? {} : { hint });

  if (status === undefined || isSignIn(error)) return unanswered(error, access, url, say);
  if (status === 401 || status === 403) return forbidden(error, access, purpose, url, say);
  if (code === 'ContainerNotFound') {
    const { container, account } = access.location;
    return say(
      `the account ${account} has no container "${container}"`,
      'make it first, or check the address',
    );
  }
  if (status === 404) return say(`there is no blob ${url}`, 'names are case-sensitive');
  if (code === 'PublicAccessNotPermitted' || code === 'NoAuthenticationInformation') {
    return say(`${url} needs a credential`, 'add a SAS to the address, or sign in with an identity');
  }
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
  const facts = [`HTTP ${status}`, code, requestId(error)].filter((fact) => fact !== '').join(', ');
  if (isTransient(error)) {
    return say(
      `${url} could not be reached in ${access.retry.tries} tries (${facts})`,
      'run the same command again later',
    );
  }
  return say(`${verb(purpose)} ${url} failed (${facts}): ${firstLine(error)}`);
}

/** True for the errors of @azure/identity, some of which carry a status of their own. */
function isSignIn(error: unknown): boolean {
  return (
    error instanceof Error &&
    /^(?:Credential|Authentication|AggregateAuthentication)\w*Error$/.test(error.name)
  );
}

type Say = (message: string, hint?: string) => JobError;

function unanswered(error: unknown, access: BlobAccess, url: string, say: Say): JobError {
  const { credential, location } = access;
  if (isSignIn(error)) {
    const note = credential.kind === 'identity' && credential.note ? ` (${credential.note})` : '';
    return say(
      `no identity could sign in for ${url}${note}: ${firstLine(error)}`,
      'give the machine a managed identity, run "az login", or add a SAS to the address',
    );
  }
  if (serviceCode(error) === 'ENOTFOUND') {
    return say(
      `there is no storage account "${location.account}": ${new URL(location.endpoint).host} is not known`,
      'check the address; a private endpoint needs its DNS zone',
    );
  }
  if (isTransient(error)) {
    return say(
      `${url} could not be reached in ${access.retry.tries} tries: ${firstLine(error)}`,
      'check the network and the account, then run the same command again',
    );
  }
  return say(`${url}: ${firstLine(error)}`);
}

function forbidden(error: unknown, access: BlobAccess, purpose: Purpose, url: string, say: Say): JobError {
  const { credential, location } = access;
  const code = serviceCode(error) || `HTTP ${statusOf(error)}`;
  const doing = `${verb(purpose)} ${url}`;
  switch (credential.kind) {
    case 'sas':
      return say(`${doing} is refused: ${sasFault(location.sas, purpose)} (${code})`, 'ask for a new SAS');
    case 'connection string':
      return say(
        `${doing} is refused: AZURE_STORAGE_CONNECTION_STRING does not allow it (${code})`,
        'its key or SAS is wrong or has ended, or the account has shared keys disabled: unset it to use an identity',
      );
    case 'identity': {
      const { role } = RIGHTS[purpose.verb];
      return say(
        `${doing} is refused: the identity lacks the role "${role}" on the container "${location.container}", ` +
          `or the account's network rules keep this machine out (${code})`,
        'a new role assignment takes up to ten minutes to work',
      );
    }
  }
}

/** Why a SAS was refused, from what it says of itself. */
function sasFault(sas: Secret | undefined, purpose: Purpose): string {
  const said = new URLSearchParams(sas?.reveal());
  const [starts, ends, allowed] = [said.get('st'), said.get('se'), said.get('sp')];
  const now = Date.now();
  if (ends !== null && Date.parse(ends) <= now) return `the SAS ended at ${ends}`;
  if (starts !== null && Date.parse(starts) > now) return `the SAS begins only at ${starts}`;
  const needs = RIGHTS[purpose.verb].letters;
  const missing = allowed === null ? [] : needs.filter((letter) => !allowed.includes(letter));
  if (missing.length > 0) {
    const names = missing.map((letter) => PERMISSION_NAMES[letter]).join(' and ');
    return `the SAS lacks the permission ${names}; it allows "${allowed}"`;
  }
  if (said.get('sr') === 'b') return 'the SAS is for another blob, or does not match its address';
  if (said.get('srt')?.includes('o') === false)
    return 'the SAS is not for blobs: it lacks the resource type "o"';
  if (said.has('sip'))
    return `the SAS does not match its address, or is only for clients at ${said.get('sip')}`;
  return 'the SAS does not match its address, or was revoked';
}

function verb(purpose: Purpose): string {
  switch (purpose.verb) {
    case 'read':
      return 'reading';
    case 'write':
      return 'writing';
    case 'list':
      return 'listing';
    case 'delete':
      return 'deleting';
  }
}

function requestId(error: unknown): string {
  const headers = (error as { response?: { headers?: { get(name: string): string | undefined } } }).response
    ?.headers;
  const id = headers?.get('x-ms-request-id');
  return id === undefined ? '' : `request ${id}`;
}

function firstLine(error: unknown): string {
  return redact(messageOf(error).split('\n', 1)[0] ?? '');
}
