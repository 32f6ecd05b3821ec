import type { TokenCredential } from '@azure/identity';
import type { BlobServiceClient, ContainerClient } from '@azure/storage-blob';
import { JobError } from '../errors.js';
import { refusal } from './blob-errors.js';
import type { BlobLocation } from './location.js';
import { type Attempt, PATIENT, type RetryPolicy, withRetries } from './retry.js';

/** What a request shows to be let in; `note` says why a better one was not taken. */
export type Credential =
  | { readonly kind: 'sas' }
  | { readonly kind: 'connection string' }
  | { readonly kind: 'identity'; readonly note: string | undefined };

/** A container of Blob storage that can be talked to. */
export interface BlobAccess {
  /** Of what was connected to; its name may be any blob's or folder's in the container, or empty. */
  readonly location: BlobLocation;
  readonly container: ContainerClient;
  readonly credential: Credential;
  readonly retry: RetryPolicy;
}

/** What a request is for: decides which right an error says is missing, and which code it has. */
export interface Purpose {
  readonly verb: 'read' | 'write' | 'list' | 'delete';
  /** Name of the blob, or of the folder to list. */
  readonly name: string;
  readonly code: JobError['code'];
}

const CONNECTION_STRING = 'AZURE_STORAGE_CONNECTION_STRING';

/** One for the process: it caches tokens and renews them. */
let identity: Promise<TokenCredential> | undefined;

/**
 * Opens the container of `location`. Credentials: the SAS in the address; else AZURE_STORAGE_CONNECTION_STRING, if it is
 * for this account; else whatever identity DefaultAzureCredential finds. No request is made yet. The Azure packages are
 * loaded here, at the first use: a job on local files does without them.
 */
export async function connect(
  location: BlobLocation,
  options: { readonly env?: NodeJS.ProcessEnv; readonly retry?: RetryPolicy } = {},
): Promise<BlobAccess> {
  const { service, credential } = await serviceClient(location, options.env ?? process.env);
  const container = service.getContainerClient(location.container);
  return { location, container, credential, retry: options.retry ?? PATIENT };
}

/** Makes a request with retries; what it fails with for good becomes a JobError that says what to do. */
export async function ask<T>(
  access: BlobAccess,
  purpose: Purpose,
  request: (attempt: Attempt) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  try {
    return await withRetries(request, access.retry, signal);
  } catch (error) {
    throw error instanceof JobError ? error : refusal(error, access, purpose);
  }
}

/** Our own retries are the only ones: the client's know neither 429 nor 502 nor 504, and wait without jitter. */
const CLIENT_OPTIONS = { retryOptions: { maxTries: 1 } };

async function serviceClient(
  location: BlobLocation,
  env: NodeJS.ProcessEnv,
): Promise<{ readonly service: BlobServiceClient; readonly credential: Credential }> {
  const { BlobServiceClient } = await import('@azure/storage-blob');
  const { endpoint, sas } = location;
  if (sas !== undefined) {
    const service = new BlobServiceClient(`${endpoint}?${sas.reveal()}`, undefined, CLIENT_OPTIONS);
    return { service, credential: { kind: 'sas' } };
  }
  const text = env[CONNECTION_STRING];
  if (text !== undefined && text !== '') {
    const service = fromConnectionString(BlobServiceClient, text);
    // It would give another account's signature away to this one, and be refused.
    if (withoutQuery(service.url) === endpoint) return { service, credential: { kind: 'connection string' } };
  }
  if (endpoint.startsWith('http:')) {
    throw new JobError(
      'usage',
      `no credential for ${location.url}: an identity's token is never sent over http`,
      {
        hint: `add a SAS to the address, or set ${CONNECTION_STRING} for ${endpoint}`,
      },
    );
  }
  identity ??= import('@azure/identity').then(({ DefaultAzureCredential }) => new DefaultAzureCredential());
  const service = new BlobServiceClient(endpoint, await identity, CLIENT_OPTIONS);
  const note = text ? `${CONNECTION_STRING} is for another account` : undefined;
  return { service, credential: { kind: 'identity', note } };
}

function fromConnectionString(client: typeof BlobServiceClient, text: string): BlobServiceClient {
  try {
    return client.fromConnectionString(text, CLIENT_OPTIONS);
  } catch {
    // The client's own message may hold what it could not read.
    throw new JobError('usage', `${CONNECTION_STRING} is not a connection string`, {
      hint: 'copy it whole from the account, or unset it to sign in with an identity',
    });
  }
}

function withoutQuery(url: string): string {
  return url.replace(/\?.*$/, '').replace(/\/$/, '');
}
