import type { Log } from '../report/log.js';
import { printable, printableJson } from '../report/printable.js';
import { connect } from '../storage/azure/blob-client.js';
import { blobFactsIfThere } from '../storage/azure/blob-input.js';
import { type HeldMessage, openQueue, type QueueOptions } from '../storage/azure/queue.js';
import type { Folder } from '../storage/folder.js';
import { atName, type BlobLocation, nameBelow, type QueueLocation } from '../storage/location/location.js';
import { redact } from '../system/secret.js';
import type { Offer, Source, TakeResult } from './source.js';
import { readUpload, returned, returnsOf } from './upload-event.js';
import { blobVideo } from './videos.js';

export interface QueueSourceOptions extends QueueOptions {
  /** The folder for messages that are set aside. */
  readonly state: Folder;
  readonly log: Log;
  /** The delay before a video is tried again. */
  readonly pollMs: number;
  readonly signal: AbortSignal;
}

/**
 * The number of deliveries to watchers that died, after which a message is set aside. It is larger than the
 * limit of interruptions, which come first and have a record: this limit is for messages that never get a
 * record.
 */
const MAX_DEATHS = 20;
/**
 * The delay for a video that another watcher holds. That one may die, so the message returns until the video
 * is settled.
 */
const RETRY_SECONDS = 30;
/** The queue rounds the time of visibility to seconds, on another clock. */
const SLACK_MS = 1500;

/**
 * Opens the videos in the messages of a queue that Event Grid writes when a blob is created in `place`. A
 * message stays in the queue, and is renewed, until its video is settled: if the watcher dies, it is
 * delivered again. Only the name is taken from the message; size and version are those of the current blob.
 */
export async function queueSource(
  location: QueueLocation,
  place: BlobLocation,
  options: QueueSourceOptions,
): Promise<Source> {
  const { log, signal } = options;
  const [queue, access] = [await openQueue(location, options), await connect(place)];
  /** Messages to be tried again: the time when each becomes visible, on performance.now's clock. */
  const expected = new Map<string, number>();

  const giveBack = (message: HeldMessage, seconds: number): Promise<void> =>
    message.giveBack(returned(message.text), seconds);

  async function answer(message: HeldMessage, result: TakeResult): Promise<void> {
    switch (result) {
      case 'done':
      case 'failed':
      case 'settled':
        return message.remove();
      case 'again':
      case 'unsure': {
        const seconds = Math.ceil(options.pollMs / 1000);
        expected.set(message.id, performance.now() + seconds * 1000 + SLACK_MS);
        return giveBack(message, seconds);
      }
      case 'taken':
        return giveBack(message, RETRY_SECONDS);
      case 'unfinished':
        return giveBack(message, 0);
    }
  }

  async function setAside(message: HeldMessage, reason: string): Promise<Offer> {
    const name = `messages/${message.id.replace(/[^\w-]/g, '_')}.json`;
    const { deliveries, inserted, text } = message;
    const note = { queue: queue.url, reason: printable(reason), inserted, deliveries, text: redact(text) };
    await options.state.writeText(name, `${printableJson(note, 2)}\n`);
    await message.remove();
    log.error(`a message in ${queue.url} is set aside: ${reason}`, {
      event: 'message',
      state: 'failed',
      record: name,
    });
    return { kind: 'set aside' };
  }

  async function ignore(message: HeldMessage, reason: string): Promise<undefined> {
    await message.remove();
    log.info(`a message in ${queue.url} is ignored: ${reason}`);
  }

  /** Returns undefined if there is nothing to do. */
  async function read(message: HeldMessage): Promise<Offer | undefined> {
    const parsed = readUpload(message.text, place);
    if (parsed.kind === 'malformed') return setAside(message, parsed.reason);
    if (parsed.kind === 'foreign') return ignore(message, parsed.reason);
    const deaths = message.deliveries - 1 - returnsOf(message.text);
    if (deaths >= MAX_DEATHS) {
      return setAside(message, `${deaths} watchers died while they held it (${parsed.names[0]})`);
    }
    for (const name of parsed.names) {
      const facts = await blobFactsIfThere(access, nameBelow(place, name), { code: 'input', signal });
      if (facts === undefined) continue;
      const video = blobVideo(place, name, facts.etag, facts.bytes);
      return { kind: 'video', video, answer: (result) => answer(message, result) };
    }
    return ignore(message, `${parsed.names[0]} no longer exists`);
  }

  return {
    display: `${place.url}, through ${queue.url}`,
    address: (name) => atName(place, nameBelow(place, name)).url,
    unready: () => [...expected.values()].filter((due) => due > performance.now()).length,
    async *look() {
      for (;;) {
        const message = await queue.take();
        if (message === undefined) return;
        expected.delete(message.id);
        const offer = await read(message).catch(async (error) => {
          await giveBack(message, RETRY_SECONDS);
          throw error;
        });
        if (offer !== undefined) yield offer;
      }
    },
  };
}
