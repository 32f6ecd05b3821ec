import { JobError, messageOf } from '../../system/errors.js';
import { redact, type Secret } from '../../system/secret.js';
import type { AzureLocation } from '../location/location.js';
import { isTransient } from './retry.js';
import type { Credential } from './service-client.js';

/** Returns the HTTP status of a failed request; undefined if there was no answer. */
export function statusOf(error: unknown): number | undefined {
  const status = (error as { statusCode?: unknown } | undefined)?.statusCode;
  return typeof status === 'number' ? status : undefined;
}

/** Returns the service's code for an error, such as `BlobNotFound`. */
export function serviceCode(error: unknown): string {
  const { details, code } = error as { details?: { errorCode?: unknown }; code?: unknown };
  const named = details?.errorCode ?? code;
  return typeof named === 'string' ? named : '';
}

/** A request to a service of Azure Storage, as error messages describe it. */
export interface StorageRequest {
  /** The location that the request is about. */
  readonly location: AzureLocation;
  readonly credential: Credential;
  readonly tries: number;
  /** The code of errors. */
  readonly code: JobError['code'];
  /** A verb that goes before the address: `reading`. */
  readonly doing: string;
  readonly needs: Rights;
  /** Returns the error for an answer that only this service gives. */
  readonly meaning: (code: string, status: number, say: Say) => JobError | undefined;
}

export type Say = (message: string, hint?: string) => JobError;

/** The rights that a request needs: letters of a SAS's `sp`, or a built-in role on `scope`. */
export interface Rights {
  readonly letters: readonly string[];
  readonly role: string;
  /** `the container "films"` */
  readonly scope: string;
}

const PERMISSION_NAMES: Readonly<Record<string, string>> = {
  r: 'read (r)',
  l: 'list (l)',
  w: 'write (w)',
  d: 'delete (d)',
  p: 'process (p)',
  u: 'update (u)',
};

/**
 * Returns the error for a request that failed for good, as far as all services of Azure Storage fail alike.
 * The service's own error is not made the cause: it holds the whole request, with its address and headers.
 */
export function refusal(error: unknown, request: StorageRequest): JobError {
  const {
    doing,
    tries,
    location: { url },
  } = request;
  const status = statusOf(error);
  const code = serviceCode(error);
  const say: Say = (message, hint) => new JobError(request.code, message, hint === undefined ? {} : { hint });

  if (status === undefined || isSignIn(error)) return unanswered(error, request, say);
  if (status === 401 || status === 403) return forbidden(error, request, say);
  const meant = request.meaning(code, status, say);
  if (meant !== undefined) return meant;
  if (code === 'PublicAccessNotPermitted' || code === 'NoAuthenticationInformation') {
    return say(`${url} needs a credential`, 'add a SAS to the address, or sign in with an identity');
  }
  const facts = [`HTTP ${status}`, code, requestId(error)].filter((fact) => fact !== '').join(', ');
  if (isTransient(error)) {
    return say(
      `${url} could not be reached in ${tries} tries (${facts})`,
      'run the same command again later',
    );
  }
  return say(`${doing} ${url} failed (${facts}): ${firstLine(error)}`);
}

/** Returns whether an error comes from @azure/identity. Some of these carry a status of their own. */
function isSignIn(error: unknown): boolean {
  return (
    error instanceof Error &&
    /^(?:Credential|Authentication|AggregateAuthentication)\w*Error$/.test(error.name)
  );
}

function unanswered(error: unknown, request: StorageRequest, say: Say): JobError {
  const { credential, location, tries } = request;
  const { url } = location;
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
      `${url} could not be reached in ${tries} tries: ${firstLine(error)}`,
      'check the network and the account, then run the same command again',
    );
  }
  return say(`${url}: ${firstLine(error)}`);
}

function forbidden(error: unknown, request: StorageRequest, say: Say): JobError {
  const { credential, location, doing, needs } = request;
  const { url } = location;
  const code = serviceCode(error) || `HTTP ${statusOf(error)}`;
  switch (credential.kind) {
    case 'sas':
      return say(
        `${doing} ${url} is refused: ${sasFault(location.sas, needs)} (${code})`,
        'ask for a new SAS',
      );
    case 'connection string':
      return say(
        `${doing} ${url} is refused: AZURE_STORAGE_CONNECTION_STRING does not allow it (${code})`,
        'its key or SAS is wrong or has ended, or the account has shared keys disabled: unset it to use an identity',
      );
    case 'identity':
      return say(
        `${doing} ${url} is refused: the identity lacks the role "${needs.role}" on ${needs.scope}, ` +
          `or the account's network rules keep this machine out (${code})`,
        'a new role assignment takes up to ten minutes to work',
      );
  }
}

/** Returns why a SAS was refused, from its own fields. */
function sasFault(sas: Secret | undefined, { letters }: Rights): string {
  const said = new URLSearchParams(sas?.reveal());
  const [starts, ends, allowed] = [said.get('st'), said.get('se'), said.get('sp')];
  const now = Date.now();
  if (ends !== null && Date.parse(ends) <= now) return `the SAS ended at ${ends}`;
  if (starts !== null && Date.parse(starts) > now) return `the SAS begins only at ${starts}`;
  const missing = allowed === null ? [] : letters.filter((letter) => !allowed.includes(letter));
  if (missing.length > 0) {
    const names = missing.map((letter) => PERMISSION_NAMES[letter]).join(' and ');
    return `the SAS lacks the permission ${names}; it allows "${allowed}"`;
  }
  if (said.get('sr') === 'b') return 'the SAS is for another blob, or does not match its address';
  if (said.get('srt')?.includes('o') === false)
    return 'the SAS is not for blobs and messages: it lacks the resource type "o"';
  if (said.has('sip'))
    return `the SAS does not match its address, or is only for clients at ${said.get('sip')}`;
  return 'the SAS does not match its address, or was revoked';
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
