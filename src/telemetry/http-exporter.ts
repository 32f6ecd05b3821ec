/** A request that brings telemetry somewhere. */
export interface Delivery {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly signal: AbortSignal;
}

/** A refusal, by its HTTP status. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly status: number;

  constructor(status: number) {
    super(`HTTP ${status}`);
    this.status = status;
  }
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** The address without its query; undefined where it is none, or would send telemetry and tokens unencrypted. */
export function safeAddress(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.username !== '' || url.password !== '') return undefined;
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK.test(url.hostname)))
    return undefined;
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

/** Posts JSON. Rejects with `Refused`, or with an error whose message names no address. */
export async function postJson({ url, headers, body, signal }: Delivery): Promise<void> {
  await answered(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal,
  });
}

/** Gets JSON, likewise. */
export async function getJson({ url, headers, signal }: Omit<Delivery, 'body'>): Promise<unknown> {
  return JSON.parse(await answered(url, { headers, signal }));
}

async function answered(url: string, request: RequestInit): Promise<string> {
  let response: Response;
  try {
    // A redirection could lead the token elsewhere.
    response = await fetch(url, { ...request, redirect: 'error' });
  } catch (error) {
    const cause = (error as { readonly cause?: { readonly code?: unknown } }).cause?.code;
    throw new Error(typeof cause === 'string' ? cause : 'no connection, or no answer in time');
  }
  const text = await response.text();
  if (!response.ok) throw new Refused(response.status);
  return text;
}
