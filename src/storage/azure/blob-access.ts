import type { ContainerClient } from '@azure/storage-blob';
import type { JobError } from '../../system/errors.js';
import type { BlobLocation } from '../location/location.js';
import type { RetryPolicy } from './retry.js';
import type { Credential } from './service-client.js';

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
