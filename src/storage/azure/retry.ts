import { setTimeout as sleep } from 'node:timers/promises';
import { JobError } from '../../system/errors.js';

/** The limits of retries. The waits double from `firstMs` up to `longestMs`. */
export interface RetryPolicy {
  readonly tries: number;
  readonly firstMs: number;
  readonly longestMs: number;
  /** An attempt ends after this time without any data. */
  readonly idleMs: number;
}

/** About a minute in all: longer than a storage server takes to restart or to move a busy partition. */
export const PATIENT: RetryPolicy = { tries: 8, firstMs: 500, longestMs: 30_000, idleMs: 60_000 };

/** One attempt of a request. */
export interface Attempt {
  /** Aborted when the caller gives up, or when nothing moves. Pass it to the request. */
  readonly signal: AbortSignal;
  /** 1 for the first. */
  readonly number: number;
  /** Reports that bytes have moved. */
  alive(): void;
}

/** The longest wait that a server may ask for by Retry-After. */
const LONGEST_RETRY_AFTER_MS = 120_000;

const TRANSIENT_STATUS: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);
const TRANSIENT_CODE: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ESOCKETTIMEDOUT',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'ERR_STREAM_PREMATURE_CLOSE',
  'PARSE_ERROR',
  'REQUEST_SEND_ERROR',
]);

/** Thrown by an attempt that got less than it should have: worth another try. */
export class Incomplete extends Error {
  override readonly name = 'Incomplete';
}

/**
 * Runs `request` until it succeeds, fails for good or has used up its tries, and throws the last error. The
 * waits between tries grow and are partly random, so that many clients do not come back together. A
 * Retry-After is obeyed.
 *
 * @throws {JobError} stopped: when `signal` is aborted.
 */
export async function withRetries<T>(
  request: (attempt: Attempt) => Promise<T>,
  policy: RetryPolicy,
  signal?: AbortSignal,
): Promise<T> {
  for (let number = 1; ; number += 1) {
    refuseIfAborted(signal);
    using attempt = beginAttempt(number, policy.idleMs, signal);
    try {
      return await request(attempt);
    } catch (error) {
      refuseIfAborted(signal);
      const stalled = attempt.signal.aborted;
      if (number >= policy.tries || !(stalled || isTransient(error))) {
        throw stalled ? new Incomplete(`nothing moved for ${policy.idleMs / 1000} s`) : error;
      }
      await sleep(waitMs(number, policy, error), undefined, signal && { signal }).catch(() => {});
    }
  }
}

/**
 * Checks that no signal asked the job to stop.
 *
 * @throws {JobError} stopped: when one did.
 */
export function refuseIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  if (signal.reason instanceof JobError) throw signal.reason;
  throw new JobError('stopped', 'stopped while moving data to or from storage', {
    hint: 'run the same command again to resume',
  });
}

/** Returns whether another try may help: after overload, a server's restart, a broken connection. */
export function isTransient(error: unknown): boolean {
  if (error instanceof Incomplete) return true;
  if (!(error instanceof Error)) return false;
  const { statusCode, code } = error as { statusCode?: unknown; code?: unknown };
  if (typeof statusCode === 'number') return TRANSIENT_STATUS.has(statusCode);
  if (typeof code === 'string' && TRANSIENT_CODE.has(code)) return true;
  // The name of the error for a connection that broke in mid-body depends on where it broke.
  if (error.cause !== undefined && isTransient(error.cause)) return true;
  return /socket hang up|aborted|premature close|terminated/i.test(error.message);
}

function waitMs(failures: number, policy: RetryPolicy, error: unknown): number {
  const most = Math.min(policy.longestMs, policy.firstMs * 2 ** (failures - 1));
  return Math.max(most / 2 + (Math.random() * most) / 2, retryAfterMs(error));
}

/** RFC 9110, 10.2.3: seconds, or a date; the service sends seconds. */
function retryAfterMs(error: unknown): number {
  const headers = (error as { response?: { headers?: { get(name: string): string | undefined } } }).response
    ?.headers;
  const seconds = Number(headers?.get('retry-after') ?? 0);
  return Number.isFinite(seconds) ? Math.min(LONGEST_RETRY_AFTER_MS, Math.max(0, seconds * 1000)) : 0;
}

function beginAttempt(number: number, idleMs: number, outer?: AbortSignal): Attempt & Disposable {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  let timer = setTimeout(abort, idleMs);
  outer?.addEventListener('abort', abort, { once: true });
  return {
    signal: controller.signal,
    number,
    alive() {
      clearTimeout(timer);
      timer = setTimeout(abort, idleMs);
    },
    [Symbol.dispose]() {
      clearTimeout(timer);
      outer?.removeEventListener('abort', abort);
    },
  };
}
