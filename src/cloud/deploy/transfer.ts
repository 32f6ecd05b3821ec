/** Requests to addresses that carry their own right, as Container Registry gives them: without a token. */
import {
  createDefaultHttpClient,
  createHttpHeaders,
  createPipelineFromOptions,
  createPipelineRequest,
  redirectPolicyName,
} from '@azure/core-rest-pipeline';
import { JobError, messageOf } from '../../system/errors.js';
import { oneLine } from '../refusals.js';

export interface Transfer {
  /** Writes a blob whole. */
  put(url: string, content: Buffer, doing: string): Promise<void>;
  /** Reads a text; empty if it cannot be had. */
  get(url: string): Promise<string>;
}

/** Long enough for tens of megabytes over a slow line. */
const WITHIN_MS = 600_000;

/** `ca` is a certificate authority to trust in addition to the system's. */
export function createTransfer(ca?: string): Transfer {
  const pipeline = createPipelineFromOptions(ca === undefined ? {} : { tlsOptions: { ca } });
  pipeline.removePolicy({ name: redirectPolicyName });
  const http = createDefaultHttpClient();
  const send = (method: 'GET' | 'PUT', url: string, body?: Buffer) => {
    if (!url.startsWith('https://')) throw new Error('the address is not https');
    const headers: Record<string, string> = body === undefined ? {} : { 'x-ms-blob-type': 'BlockBlob' };
    return pipeline.sendRequest(
      http,
      createPipelineRequest({
        ...{ url, method, headers: createHttpHeaders(headers) },
        abortSignal: AbortSignal.timeout(WITHIN_MS),
        ...(body === undefined ? {} : { body }),
      }),
    );
  };
  return {
    async put(url, content, doing) {
      const answer = await send('PUT', url, content).catch((error: unknown) => {
        // Not the address: it holds a signature.
        throw new JobError('cloud', `${doing} failed: ${oneLine(messageOf(error).replaceAll(url, 'it'))}`, {
          hint: 'check the network and the proxy (HTTPS_PROXY), and run the same command again',
        });
      });
      if (answer.status === 201 || answer.status === 200) return;
      throw new JobError('cloud', `${doing} failed (HTTP ${answer.status})`, {
        hint: 'run the same command again',
      });
    },
    async get(url) {
      try {
        const answer = await send('GET', url);
        return answer.status === 200 ? (answer.bodyAsText ?? '') : '';
      } catch {
        return '';
      }
    },
  };
}
