import type { Log } from '../report/log.js';
import { printable, printableJson } from '../report/printable.js';
import { connect } from '../storage/azure/blob-client.js';
import { blobFactsIfThere } from '../storage/azure/blob-input.js';
import { type HeldMessage, openQueue, type QueueOptions } from '../storage/azure/queue.js';
import { atName, type BlobLocation, nameBelow, type QueueLocation } from '../storage/location/location.js';
import type { Place } from '../storage/place.js';
import { redact } from '../system/secret.js';
import type { Offer, Source, Taken } from './source.js';
import { readUpload, returned, returnsOf } from './upload-event.js';
import { blobVideo } from './videos.js';

export interface QueueSourceOptions extends QueueOptions {
  /** Gets what is set aside. */
  readonly state: Place;
  readonly log: Log;
  /** How long a video that is to be tried again stays in the queue. */
  readonly pollMs: number;
  readonly signal: AbortSignal;
}

/**
 * Deliveries to watchers that died with the message, before it is set aside. More than the interruptions that a video may
 * have, which tell more and so come first: this is for what does not even get as far as a record.
 */
const MOST_DEATHS = 20;
/** Of a video that another watcher has: that one may die, so the message comes again until the video is settled. */
const LATER_SECONDS = 30;
/** The message becomes visible at a time that is rounded to seconds, on another clock. */
const SLACK_MS = 1500;

/**
 * The videos that messages of a queue tell of, as Event Grid writes them when a blob is made in `place`. A message leaves
 * the queue when its video is settled, and is renewed meanwhile: of a watcher that died it comes again. Its word is taken
 * for a name only; size and version are those that the blob has now.
 */
export async function queueSource(
  location: QueueLocation,
  place: BlobLocation,
  options: QueueSourceOptions,
): Promise<Source> {
  const { log, signal } = options;
  const [queue, access] = [await openQueue(location, options), await connect(place)];
  /** Given back to be tried again: when they can be had, on performance.now's clock. */
  const expected = new Map<string, number>();

  const giveBack = (message: HeldMessage, seconds: number): Promise<void> =>
    message.giveBack(returned(message.text), seconds);

  async function answer(message: HeldMessage, taken: Taken): Promise<void> {
    switch (taken) {
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
        return giveBack(message, LATER_SECONDS);
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
    log.info(`a message in ${queue.url} is left alone: ${reason}`);
  }

  /** Undefined where there is nothing to do. */
  async function read(message: HeldMessage): Promise<Offer | undefined> {
    const told = readUpload(message.text, place);
    if (told.kind === 'malformed') return setAside(message, told.reason);
    if (told.kind === 'foreign') return ignore(message, `it is ${told.what}`);
    const deaths = message.deliveries - 1 - returnsOf(message.text);
    if (deaths >= MOST_DEATHS) {
      return setAside(message, `it was delivered to ${deaths} watchers that died (${told.names[0]})`);
    }
    for (const name of told.names) {
      const facts = await blobFactsIfThere(access, nameBelow(place, name), { code: 'input', signal });
      if (facts === undefined) continue;
      const video = blobVideo(place, name, facts.etag, facts.bytes);
      return { kind: 'video', video, answer: (taken) => answer(message, taken) };
    }
    return ignore(message, `${told.names[0]} is gone`);
  }

  return {
    display: `${place.url}, told by ${queue.url}`,
    address: (name) => atName(place, nameBelow(place, name)).url,
    unready: () => [...expected.values()].filter((due) => due > performance.now()).length,
    async *look() {
      for (;;) {
        const message = await queue.take();
        if (message === undefined) return;
        expected.delete(message.id);
        const offer = await read(message).catch(async (error) => {
          await giveBack(message, LATER_SECONDS);
          throw error;
        });
        if (offer !== undefined) yield offer;
      }
    },
  };
}
