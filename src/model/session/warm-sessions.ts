import { disposeInferenceStreams } from './inference-streams.js';
import type { SessionGraphs } from './precision.js';
import { type OpenedSession, openSession, type SessionRequest } from './session.js';

/** Most sessions kept open: each has its model's weights and working memory on the device. */
const MOST_SESSIONS = 3;

/** This rank's sessions, kept open for later videos with the same graph, until they are disposed of. */
export class WarmSessions implements AsyncDisposable {
  /** Sessions by graph, the most recently used one last. */
  readonly #sessions = new Map<string, OpenedSession>();

  /** Returns the session for the graphs of `key`, if it is still open. */
  find(key: string): OpenedSession | undefined {
    const found = this.#sessions.get(key);
    if (found !== undefined) {
      this.#sessions.delete(key);
      this.#sessions.set(key, found);
    }
    return found;
  }

  /** Opens a session and keeps it, in place of the least recently used one if there are many. */
  async open(key: string, graphs: SessionGraphs, request: SessionRequest): Promise<OpenedSession> {
    while (this.#sessions.size >= MOST_SESSIONS) await this.#disposeOldest();
    let opened: OpenedSession;
    try {
      opened = await openSession(graphs, request);
    } catch (error) {
      if (this.#sessions.size === 0) throw error;
      // The device may lack memory for one more.
      await this[Symbol.asyncDispose]();
      opened = await openSession(graphs, request);
    }
    this.#sessions.set(key, opened);
    return opened;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#sessions.size > 0) await this.#disposeOldest();
  }

  async #disposeOldest(): Promise<void> {
    for (const [key, { streams }] of this.#sessions) {
      this.#sessions.delete(key);
      await disposeInferenceStreams(streams);
      return;
    }
  }
}
