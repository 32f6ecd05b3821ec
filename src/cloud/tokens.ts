import type { TokenCredential } from '@azure/identity';
import { JobError, messageOf } from '../system/errors.js';
import { redact } from '../system/secret.js';

/** Provides bearer tokens by scope; `renew` replaces a token that the service rejects. */
export interface Tokens {
  get(scope: string): Promise<string>;
  renew(scope: string): Promise<string>;
}

/** A token is not used in its last two minutes: a request may take that long. */
const MARGIN_MS = 120_000;

/**
 * Caches the tokens of the credential that `open` creates. `renew` opens a new credential, since the cache of
 * the old one would return the rejected token again.
 *
 * @throws {JobError} cloud: when no credential can sign in.
 */
export function tokensOf(open: () => Promise<TokenCredential>): Tokens {
  let credential: Promise<TokenCredential> | undefined;
  const cache = new Map<string, { readonly token: string; readonly expires: number }>();

  async function fetch(scope: string): Promise<string> {
    credential ??= open();
    try {
      const answer = await (await credential).getToken(scope);
      if (answer === null) throw new Error('the credential returned no token');
      cache.set(scope, { token: answer.token, expires: answer.expiresOnTimestamp });
      return answer.token;
    } catch (error) {
      throw new JobError('cloud', `signing in to Azure failed: ${firstLine(messageOf(error))}`, {
        hint: 'run az login; on Azure, assign a managed identity; docs/azure-ml.md lists all credentials in order',
      });
    }
  }

  return {
    async get(scope) {
      const known = cache.get(scope);
      return known !== undefined && known.expires - MARGIN_MS > Date.now() ? known.token : fetch(scope);
    },
    renew(scope) {
      cache.clear();
      credential = undefined;
      return fetch(scope);
    },
  };
}

/**
 * Returns the credential that tries environment variables, workload identity, managed identity and az, in
 * this order.
 */
export async function defaultCredential(): Promise<TokenCredential> {
  const { DefaultAzureCredential } = await import('@azure/identity');
  return new DefaultAzureCredential();
}

/** Returns the first line. The rest is a paragraph for each credential that was tried. */
function firstLine(text: string): string {
  return redact(text.split('\n', 1)[0] ?? '');
}
