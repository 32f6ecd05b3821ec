import type { TokenCredential } from '@azure/identity';
import { JobError, messageOf } from '../system/errors.js';
import { redact } from '../system/secret.js';

/** Gives bearer tokens by scope; a token that the service no longer takes is replaced by `renew`. */
export interface Tokens {
  get(scope: string): Promise<string>;
  renew(scope: string): Promise<string>;
}

/** A token is not used in the last two minutes of its life: a request may be under way for that long. */
const MARGIN_MS = 120_000;

/**
 * Caches tokens of the credential that `open` makes. Credentials have a cache of their own, which would give a refused
 * token again: so `renew` makes a new one.
 *
 * @throws JobError('cloud') where nothing can sign in.
 */
export function tokensOf(open: () => Promise<TokenCredential>): Tokens {
  let credential: Promise<TokenCredential> | undefined;
  const cache = new Map<string, { readonly token: string; readonly expires: number }>();

  async function fetch(scope: string): Promise<string> {
    credential ??= open();
    try {
      const answer = await (await credential).getToken(scope);
      if (answer === null) throw new Error('the credential gave no token');
      cache.set(scope, { token: answer.token, expires: answer.expiresOnTimestamp });
      return answer.token;
    } catch (error) {
      throw new JobError('cloud', `signing in to Azure failed: ${firstLine(messageOf(error))}`, {
        hint: 'az login signs in a person; on Azure a managed identity is used; docs/azure-ml.md has the whole order',
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

/** Environment variables, workload identity, managed identity, az: in that order. Loaded at the first use. */
export async function defaultCredential(): Promise<TokenCredential> {
  const { DefaultAzureCredential } = await import('@azure/identity');
  return new DefaultAzureCredential();
}

/** The rest of what a chain of credentials says is one paragraph for each that was tried. */
function firstLine(text: string): string {
  return redact(text.split('\n', 1)[0] ?? '');
}
