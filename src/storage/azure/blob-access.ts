import type { ContainerClient } from '@azure/storage-blob';
import type { JobError } from '../../system/errors.js';
import type { BlobLocation } from '../location/location.js';
import type { RetryPolicy } from './retry.js';
import type { Credential } from './service-client.js';

/** A connection to a container of Blob storage. */
export interface BlobAccess {
  /** The location that was opened. Its name may be that of any blob or folder in the container, or empty. */
  readonly location: BlobLocation;
  readonly container: ContainerClient;
  readonly credential: Credential;
  readonly retry: RetryPolicy;
}

/** The purpose of a request. It decides which right an error reports as missing, and the error's code. */
export interface Purpose {
  readonly verb: 'read' | 'write' | 'list' | 'delete';
  /** Name of the blob, or of the folder to list. */
  readonly name: string;
  readonly code: JobError['code'];
}
