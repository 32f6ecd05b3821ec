import {
  createDefaultHttpClient,
  createHttpHeaders,
  createPipelineFromOptions,
  createPipelineRequest,
  type Pipeline,
  type PipelinePolicy,
  type PipelineResponse,
  type PipelineRetryOptions,
  redirectPolicyName,
  throttlingRetryPolicy,
} from '@azure/core-rest-pipeline';
import { JobError, messageOf } from '../system/errors.js';
import type { Json, JsonObject } from './json.js';
import { oneLine, refused } from './refusals.js';
import type { Tokens } from './tokens.js';

/** The management address of the public cloud; sovereign clouds have others. */
export const PUBLIC_CLOUD = 'https://management.azure.com';

export interface RestRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  /** https only. */
  readonly url: string;
  readonly body?: JsonObject;
  readonly headers?: Readonly<Record<string, string>>;
  /** Names the request in messages: "creating the job x". */
  readonly doing: string;
  /** The scope of the token. Default: management. */
  readonly scope?: string;
  /** Returns a 404 as an answer, not as an error. */
  readonly absentIsAnswer?: boolean;
  /** Not safe to repeat: retried only on 429, when the service has done nothing. */
  readonly once?: boolean;
}

export interface RestAnswer {
  readonly status: number;
  readonly body: Json;
  header(name: string): string | undefined;
}

/** Sends requests to Azure with a token, over TLS, and retries them. */
export interface RestClient {
  /** The address of Azure Resource Manager, without a trailing slash. */
  readonly management: string;
  /**
   * Retries 429 and 503 after the time that the service asks for, other 5xx and broken connections with
   * growing pauses, and 401 once with a new token.
   *
   * @throws {JobError} cloud: when the final answer is not 2xx; one sentence.
   */
  send(request: RestRequest): Promise<RestAnswer>;
}

export interface RestOptions {
  readonly tokens: Tokens;
  readonly version: string;
  readonly management?: string;
  /** A certificate authority to trust in addition to the system's. */
  readonly ca?: string;
  readonly retry?: PipelineRetryOptions;
  /** The time limit of each attempt. */
  readonly answerWithinMs?: number;
}

const ANSWER_WITHIN_MS = 100_000;
/** The name in the package, which exports no constant for it. */
const RETRY_POLICY = 'defaultRetryPolicy';

/** @throws {JobError} usage: when `management` is not https. */
export function createRestClient(options: RestOptions): RestClient {
  const management = httpsOrigin(options.management ?? PUBLIC_CLOUD);
  const managementScope = `${management}/.default`;
  const retrying = pipelineOf(options, 'retrying');
  const once = pipelineOf(options, 'once');
  const http = createDefaultHttpClient();

  async function attempt(request: RestRequest, token: string): Promise<PipelineResponse> {
    const pipeline = request.once === true ? once : retrying;
    const outgoing = createPipelineRequest({
      url: request.url,
      method: request.method,
      headers: createHttpHeaders({
        ...request.headers,
        accept: 'application/json',
        authorization: `Bearer ${token}`,
        ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
      }),
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
    });
    try {
      return await pipeline.sendRequest(http, outgoing);
    } catch (error) {
      throw unanswered(request, error);
    }
  }

  return {
    management,
    async send(request) {
      if (!request.url.startsWith('https://')) {
        throw new JobError('cloud', `${request.doing} would send a token to an address without https`);
      }
      const scope = request.scope ?? managementScope;
      let answer = await attempt(request, await options.tokens.get(scope));
      if (answer.status === 401) answer = await attempt(request, await options.tokens.renew(scope));
      const body = parse(answer.bodyAsText);
      const ok = answer.status >= 200 && answer.status < 300;
      if (!ok && !(answer.status === 404 && request.absentIsAnswer === true)) {
        throw refused(request.doing, answer.status, body);
      }
      return { status: answer.status, body, header: (name) => answer.headers.get(name) };
    },
  };
}

/**
 * Returns the origin of `address`.
 *
 * @throws {JobError} usage: when it is not https.
 */
export function httpsOrigin(address: string): string {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol === 'https:') return url.origin;
  throw new JobError(
    'usage',
    `${JSON.stringify(address)} is not an https address of Azure Resource Manager`,
    {
      hint: `the public cloud's is ${PUBLIC_CLOUD}`,
    },
  );
}

function pipelineOf(options: RestOptions, kind: 'retrying' | 'once'): Pipeline {
  const retryOptions = { maxRetries: 5, ...options.retry };
  const pipeline = createPipelineFromOptions({
    retryOptions,
    userAgentOptions: { userAgentPrefix: `framescatter/${options.version}` },
    ...(options.ca === undefined ? {} : { tlsOptions: { ca: options.ca } }),
  });
  // No request here is answered by a redirect, and a token must not follow one.
  pipeline.removePolicy({ name: redirectPolicyName });
  pipeline.addPolicy(deadline(options.answerWithinMs ?? ANSWER_WITHIN_MS), { afterPhase: 'Retry' });
  if (kind === 'once') {
    pipeline.removePolicy({ name: RETRY_POLICY });
    pipeline.addPolicy(throttlingRetryPolicy(retryOptions), { phase: 'Retry' });
  }
  return pipeline;
}

/**
 * Limits each attempt. The package's own time-out leaves its timer running when a connection fails, which
 * delays exit.
 */
function deadline(milliseconds: number): PipelinePolicy {
  return {
    name: 'deadline',
    sendRequest: (request, next) => {
      request.abortSignal = AbortSignal.timeout(milliseconds);
      return next(request);
    },
  };
}

function unanswered(request: RestRequest, error: unknown): JobError {
  const host = new URL(request.url).host;
  const timedOut = error instanceof Error && error.name === 'AbortError';
  const reason = timedOut ? 'timed out' : oneLine(messageOf(error));
  return new JobError('cloud', `${request.doing} failed: ${host} could not be reached (${reason})`, {
    hint: 'check the network, the proxy (HTTPS_PROXY) and, for a private link, that its names resolve here',
  });
}

/** Parses an answer. One that is not JSON (such as a proxy's page) becomes the error message. */
function parse(text: string | null | undefined): Json {
  if (text === undefined || text === null || text === '') return undefined;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return { error: { message: text } };
  }
}
