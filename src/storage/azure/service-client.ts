import type { TokenCredential } from '@azure/identity';
import { JobError } from '../../system/errors.js';
import type { AzureLocation } from '../location/location.js';

/** The credential of a request. `note` says why a better one was not used. */
export type Credential =
  | { readonly kind: 'sas' }
  | { readonly kind: 'connection string' }
  | { readonly kind: 'identity'; readonly note: string | undefined };

/** Only our own retries are used: the client's do not cover 429, 502 and 504, and wait without jitter. */
const CLIENT_OPTIONS = { retryOptions: { maxTries: 1 } };

/** A class of the Azure clients for one service of an account: Blob, Queue. */
interface ServiceClass<Client extends { readonly url: string }> {
  new (url: string, credential?: TokenCredential, options?: typeof CLIENT_OPTIONS): Client;
  fromConnectionString(text: string, options?: typeof CLIENT_OPTIONS): Client;
}

const CONNECTION_STRING = 'AZURE_STORAGE_CONNECTION_STRING';

/** One per process: it caches tokens and renews them. */
let identity: Promise<TokenCredential> | undefined;

/**
 * Opens a client for the account of `location`. The credential is the SAS in the address; else
 * AZURE_STORAGE_CONNECTION_STRING, if it is for this account and this service (`endpointName` is the string's
 * key for the service's address); else the identity that DefaultAzureCredential finds. Makes no request yet.
 */
export async function openService<Client extends { readonly url: string }>(
  service: ServiceClass<Client>,
  endpointName: 'BlobEndpoint' | 'QueueEndpoint',
  location: AzureLocation,
  env: NodeJS.ProcessEnv,
): Promise<{ readonly client: Client; readonly credential: Credential }> {
  const { endpoint, sas } = location;
  if (sas !== undefined) {
    const client = new service(`${endpoint}?${sas.reveal()}`, undefined, CLIENT_OPTIONS);
    return { client, credential: { kind: 'sas' } };
  }
  const text = env[CONNECTION_STRING];
  // A connection string with a SAS is for the services whose addresses it names; one with a key is for all.
  if (text && !(/SharedAccessSignature=/.test(text) && !text.includes(`${endpointName}=`))) {
    const client = fromConnectionString(service, text);
    // Otherwise this account would get another account's signature, and refuse it.
    if (withoutQuery(client.url) === endpoint) return { client, credential: { kind: 'connection string' } };
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
  const client = new service(endpoint, await identity, CLIENT_OPTIONS);
  const note = text ? `${CONNECTION_STRING} is for another account` : undefined;
  return { client, credential: { kind: 'identity', note } };
}

function fromConnectionString<Client extends { readonly url: string }>(
  service: ServiceClass<Client>,
  text: string,
): Client {
  try {
    return service.fromConnectionString(text, CLIENT_OPTIONS);
  } catch {
    // The client's own message may hold the secret that it could not parse.
    throw new JobError('usage', `${CONNECTION_STRING} is not a connection string`, {
      hint: 'copy it whole from the account, or unset it to sign in with an identity',
    });
  }
}

function withoutQuery(url: string): string {
  return url.replace(/\?.*$/, '').replace(/\/$/, '');
}
