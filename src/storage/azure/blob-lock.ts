import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BlobLeaseClient, BlockBlobClient } from '@azure/storage-blob';
import { AnotherJobWorks, JobError } from '../../system/errors.js';
import type { BlobAccess, Purpose } from './blob-access.js';
import { ask } from './blob-client.js';
import { readText } from './blob-input.js';
import { type Attempt, refuseIfAborted } from './retry.js';
import { serviceCode } from './service-errors.js';

/** A lock that is held until it is disposed of: a blob with a lease. */
export interface BlobLock extends AsyncDisposable {
  /**
   * Checks that the lease still holds.
   *
   * @throws {JobError} journal: when it was lost. Another job may have taken over.
   */
  check(): Promise<void>;
}

export interface BlobLockOptions {
  /** The folder that the lock protects, for messages. */
  readonly what: string;
  readonly code: JobError['code'];
  /** Called once, if the lock is taken and its holder gets time to prove that it is alive. */
  readonly onWait?: (holder: string) => void;
  readonly signal?: AbortSignal | undefined;
  /** Seconds that a dead holder's lease lasts: 15 to 60, the service's limits. */
  readonly leaseSeconds?: number;
}

const LEASE_SECONDS = 30;
/** Three tries to renew before the lease runs out. */
const RENEWALS_PER_LEASE = 3;
const POLL_MS = 1000;
/** The service's codes for a renewal when the lease belongs to another, or to no one any more. */
const TAKEN: ReadonlySet<string> = new Set([
  'LeaseIdMismatchWithLeaseOperation',
  'LeaseNotPresentWithLeaseOperation',
  'LeaseIsBrokenAndCannotBeRenewed',
  'BlobNotFound',
]);

/**
 * Takes the lock `name`: a small blob with a lease, renewed while this process lives. If it is taken, waits
 * for as long as a lease lasts: a dead holder's lease runs out by then.
 *
 * @throws {JobError} output: when someone holds it after that, and so is alive.
 */
export async function lockBlob(
  access: BlobAccess,
  name: string,
  options: BlobLockOptions,
): Promise<BlobLock> {
  const { signal } = options;
  const deadline = performance.now() + ((options.leaseSeconds ?? LEASE_SECONDS) + 2) * 1000;
  for (let waited = false; ; waited = true) {
    const lock = await tryLockBlob(access, name, options);
    if (lock !== undefined) return lock;
    const holder = await readHolder(access, name, options);
    if (performance.now() > deadline) {
      throw new AnotherJobWorks(options.what, holder === '' ? '' : ` (${holder})`);
    }
    if (!waited) options.onWait?.(holder);
    await sleep(POLL_MS, undefined, signal && { signal }).catch(() => {});
    refuseIfAborted(signal);
  }
}

/** Takes the lock `name` without waiting. Undefined if another holds it, or died less than a lease ago. */
export async function tryLockBlob(
  access: BlobAccess,
  name: string,
  options: BlobLockOptions,
): Promise<BlobLock | undefined> {
  const { code, signal } = options;
  const seconds = options.leaseSeconds ?? LEASE_SECONDS;
  const purpose: Purpose = { verb: 'write', name, code };
  const blob = access.container.getBlockBlobClient(name);
  const leaseId = randomUUID();
  const lease = blob.getBlobLeaseClient(leaseId);
  await ask(access, purpose, (attempt) => createIfAbsent(blob, attempt.signal), signal);
  const acquired = performance.now();
  if (!(await ask(access, purpose, acquire, signal))) return undefined;
  const me = `process ${process.pid} on ${hostname()}`;
  await ask(
    access,
    purpose,
    (attempt) =>
      blob.upload(me, Buffer.byteLength(me), { abortSignal: attempt.signal, conditions: { leaseId } }),
    signal,
  );
  return holdLease(access, lease, { name, code, leaseId, blob, seconds, acquired, what: options.what });

  async function acquire(attempt: Attempt): Promise<boolean> {
    try {
      await lease.acquireLease(seconds, { abortSignal: attempt.signal });
      return true;
    } catch (error) {
      // BlobNotFound: the last holder removed it between our two requests.
      if (['LeaseAlreadyPresent', 'BlobNotFound'].includes(serviceCode(error))) return false;
      throw error;
    }
  }
}

interface Held {
  readonly name: string;
  readonly code: JobError['code'];
  readonly leaseId: string;
  readonly blob: BlockBlobClient;
  readonly seconds: number;
  /** The time at which the acquiring request was sent, on the clock of performance.now. */
  readonly acquired: number;
  readonly what: string;
}

function holdLease(access: BlobAccess, lease: BlobLeaseClient, held: Held): BlobLock {
  let renewed = held.acquired;
  let taken = false;
  async function renew(abortSignal?: AbortSignal): Promise<void> {
    const asked = performance.now();
    try {
      await lease.renewLease(abortSignal === undefined ? {} : { abortSignal });
      renewed = asked;
    } catch (error) {
      taken ||= TAKEN.has(serviceCode(error));
      throw error;
    }
  }
  const timer = setInterval(
    // A failed renewal is ignored: the next renewal or the next check may succeed.
    () => void renew().catch(() => {}),
    (held.seconds * 1000) / RENEWALS_PER_LEASE,
  );
  timer.unref();
  return {
    async check() {
      if (!taken && performance.now() - renewed < held.seconds * 1000) return;
      // After a pause of the network or of this process the lease can still be renewed, if no one took it.
      const purpose: Purpose = { verb: 'write', name: held.name, code: held.code };
      await ask(access, purpose, ({ signal }) => renew(signal)).catch((error) => {
        if (!taken) throw error;
        throw new JobError('journal', `the lease on ${held.what} was lost: another job may work there now`, {
          hint: 'run the same command again to resume, when no other job runs',
        });
      });
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      // A lease that is not released runs out, and the next job uses a blob that stays: errors do not matter.
      await held.blob
        .delete({ conditions: { leaseId: held.leaseId } })
        .catch(() => lease.releaseLease().catch(() => {}));
    },
  };
}

async function createIfAbsent(blob: BlockBlobClient, signal: AbortSignal): Promise<void> {
  try {
    await blob.upload('', 0, { abortSignal: signal, conditions: { ifNoneMatch: '*' } });
  } catch (error) {
    const code = serviceCode(error);
    if (!['BlobAlreadyExists', 'ConditionNotMet', 'LeaseIdMissing'].includes(code)) throw error;
  }
}

async function readHolder(access: BlobAccess, name: string, options: BlobLockOptions): Promise<string> {
  const text = await ask(
    access,
    { verb: 'read', name, code: options.code },
    (attempt) => readText(access, name, attempt),
    options.signal,
  ).catch(() => '');
  return text.slice(0, 200);
}
