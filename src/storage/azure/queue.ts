import type { DequeuedMessageItem, QueueClient } from '@azure/storage-queue';
import { JobError } from '../../system/errors.js';
import type { QueueLocation } from '../location/location.js';
import { type Attempt, PATIENT, type RetryPolicy, withRetries } from './retry.js';
import { type Credential, openService } from './service-client.js';
import { refusal, serviceCode } from './service-errors.js';

/** A queue of Azure Queue storage that messages are taken from. */
export interface Queue {
  /** For messages to the user. */
  readonly url: string;
  /** Takes the next message; undefined if there is none now. */
  take(): Promise<HeldMessage | undefined>;
}

/** A message that no one else gets while this process lives, until it is removed or given back. */
export interface HeldMessage {
  readonly id: string;
  readonly text: string;
  readonly inserted: Date;
  /** The number of times it has been taken, this one included. */
  readonly deliveries: number;
  remove(): Promise<void>;
  /** Replaces it by `text`, which can be taken after `seconds`. */
  giveBack(text: string, seconds: number): Promise<void>;
}

export interface QueueOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly retry?: RetryPolicy;
  /** Seconds until a dead holder's message can be taken again. */
  readonly holdSeconds?: number;
  readonly signal?: AbortSignal;
}

const HOLD_SECONDS = 60;
/** Three tries to renew before others can take the message. */
const RENEWALS_PER_HOLD = 3;
/** The service's codes when others have the message by now, or have removed it. */
const LOST: ReadonlySet<string> = new Set(['MessageNotFound', 'PopReceiptMismatch']);

/**
 * The terms for each kind of request in error messages, and the rights that it needs. A Message Processor may
 * not extend what it took.
 */
const VERBS = {
  take: { doing: 'taking messages from', letters: ['p'], role: 'Storage Queue Data Message Processor' },
  update: { doing: 'updating messages in', letters: ['u'], role: 'Storage Queue Data Contributor' },
  remove: { doing: 'removing messages from', letters: ['p'], role: 'Storage Queue Data Message Processor' },
} as const;

/** Opens a queue with the first credential that `openService` finds. Makes no request yet. */
export async function openQueue(location: QueueLocation, options: QueueOptions = {}): Promise<Queue> {
  const { env = process.env, retry = PATIENT, holdSeconds = HOLD_SECONDS } = options;
  const { QueueServiceClient } = await import('@azure/storage-queue');
  const { client, credential } = await openService(QueueServiceClient, 'QueueEndpoint', location, env);
  const queue = client.getQueueClient(location.queue);
  const ask = asker(location, credential, retry);
  return {
    url: location.url,
    async take() {
      const { receivedMessageItems: items } = await ask(
        'take',
        ({ signal: abortSignal }) =>
          queue.receiveMessages({ numberOfMessages: 1, visibilityTimeout: holdSeconds, abortSignal }),
        options.signal,
      );
      return items[0] === undefined ? undefined : hold(queue, items[0], ask, holdSeconds);
    },
  };
}

type Ask = <T>(
  verb: keyof typeof VERBS,
  request: (attempt: Attempt) => Promise<T>,
  signal?: AbortSignal,
) => Promise<T>;

function asker(location: QueueLocation, credential: Credential, retry: RetryPolicy): Ask {
  return async (verb, request, signal) => {
    try {
      return await withRetries(request, retry, signal);
    } catch (error) {
      if (error instanceof JobError) throw error;
      const { doing, letters, role } = VERBS[verb];
      throw refusal(error, {
        location,
        credential,
        tries: retry.tries,
        code: 'input',
        doing,
        needs: { letters, role, scope: `the queue "${location.queue}"` },
        meaning: (code, _status, say) =>
          code === 'QueueNotFound'
            ? say(`the account ${location.account} has no queue "${location.queue}"`, 'check the address')
            : undefined,
      });
    }
  };
}

function hold(queue: QueueClient, item: DequeuedMessageItem, ask: Ask, seconds: number): HeldMessage {
  const { messageId: id, messageText: text } = item;
  let receipt = item.popReceipt;
  let lost = false;
  // Each change of a message makes its receipt invalid, so changes run one after the other.
  let changes = Promise.resolve();
  const change = (
    verb: 'update' | 'remove',
    request: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> => {
    async function unlessLost({ signal }: Attempt): Promise<void> {
      if (lost) return;
      try {
        await request(signal);
      } catch (error) {
        if (!LOST.has(serviceCode(error))) throw error;
        lost = true;
      }
    }
    const made = changes.then(() => ask(verb, unlessLost));
    changes = made.catch(() => {});
    return made;
  };
  const update = (newText: string, visibleIn: number): Promise<void> =>
    change('update', async (abortSignal) => {
      const { popReceipt } = await queue.updateMessage(id, receipt, newText, visibleIn, { abortSignal });
      receipt = popReceipt ?? receipt;
    });
  const timer = setInterval(
    // A failed renewal is ignored: the next one may succeed. If others take the message meanwhile, nothing
    // breaks.
    () => void update(text, seconds).catch(() => {}),
    (seconds * 1000) / RENEWALS_PER_HOLD,
  );
  timer.unref();
  return {
    id,
    text,
    inserted: item.insertedOn,
    deliveries: item.dequeueCount,
    async remove() {
      clearInterval(timer);
      await change('remove', async (abortSignal) => {
        await queue.deleteMessage(id, receipt, { abortSignal });
      });
    },
    async giveBack(newText, visibleIn) {
      clearInterval(timer);
      await update(newText, visibleIn);
    },
  };
}
