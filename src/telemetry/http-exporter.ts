/** An HTTP request with telemetry. */
export interface TelemetryRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly signal: AbortSignal;
}

/** An HTTP response with an error status. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;

  constructor(status: number) {
    super(`HTTP ${status}`);
    this.status = status;
  }
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/**
 * Returns a URL without its query; undefined if it is invalid, or would send telemetry and tokens
 * unencrypted.
 */
export function secureUrl(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.username !== '' || url.password !== '') return undefined;
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK.test(url.hostname)))
    return undefined;
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

/** Posts JSON. Rejects with `HttpError`, or with an error whose message contains no URL. */
export async function postJson({ url, headers, body, signal }: TelemetryRequest): Promise<void> {
  await answered(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal,
  });
}

/** Gets JSON. Rejects as `postJson` does. */
export async function getJson({ url, headers, signal }: Omit<TelemetryRequest, 'body'>): Promise<unknown> {
  return JSON.parse(await answered(url, { headers, signal }));
}

async function answered(url: string, request: RequestInit): Promise<string> {
  let response: Response;
  try {
    // A redirect could send the token to another host.
    response = await fetch(url, { ...request, redirect: 'error' });
  } catch (error) {
    const cause = (error as { readonly cause?: { readonly code?: unknown } }).cause?.code;
    throw new Error(typeof cause === 'string' ? cause : 'no connection, or no answer in time');
  }
  const text = await response.text();
  if (!response.ok) throw new HttpError(response.status);
  return text;
}
