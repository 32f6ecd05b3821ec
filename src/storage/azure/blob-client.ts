import { JobError } from '../../system/errors.js';
import type { BlobLocation } from '../location/location.js';
import type { BlobAccess, Purpose } from './blob-access.js';
import { blobRefusal } from './blob-errors.js';
import { type Attempt, PATIENT, type RetryPolicy, withRetries } from './retry.js';
import { openService } from './service-client.js';

/**
 * Opens the container of `location` with the first credential that `openService` finds. Makes no request yet.
 * The Azure packages are loaded here, at the first use: a job on local files does not need them.
 */
export async function connect(
  location: BlobLocation,
  options: { readonly env?: NodeJS.ProcessEnv; readonly retry?: RetryPolicy } = {},
): Promise<BlobAccess> {
  const { BlobServiceClient } = await import('@azure/storage-blob');
  const env = options.env ?? process.env;
  const { client, credential } = await openService(BlobServiceClient, 'BlobEndpoint', location, env);
  const container = client.getContainerClient(location.container);
  return { location, container, credential, retry: options.retry ?? PATIENT };
}

/** Makes a request with retries. Its final error becomes a JobError that says what to do. */
export async function ask<T>(
  access: BlobAccess,
  purpose: Purpose,
  request: (attempt: Attempt) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  try {
    return await withRetries(request, access.retry, signal);
  } catch (error) {
    throw error instanceof JobError ? error : blobRefusal(error, access, purpose);
  }
}
