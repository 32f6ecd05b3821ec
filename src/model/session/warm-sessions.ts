import { disposeInferenceStreams } from './inference-streams.js';
import type { SessionGraphs } from './precision.js';
import { type OpenedSession, openSession, type SessionRequest } from './session.js';

/** Each session holds its model's weights and working memory on the device. */
const MOST_SESSIONS = 3;

/** This rank's sessions, kept open for the next video whose graph is one of theirs. */
export class WarmSessions {
  /** By graph, the one that was used last at the end. */
  readonly #sessions = new Map<string, OpenedSession>();

  /** The session of the graphs that `key` stands for, if it is still open. */
  find(key: string): OpenedSession | undefined {
    const found = this.#sessions.get(key);
    if (found !== undefined) {
      this.#sessions.delete(key);
      this.#sessions.set(key, found);
    }
    return found;
  }

  /** Opens a session and keeps it, in place of the one that was not used for longest where there are many. */
  async open(key: string, graphs: SessionGraphs, request: SessionRequest): Promise<OpenedSession> {
    while (this.#sessions.size >= MOST_SESSIONS) await this.#disposeOldest();
    let opened: OpenedSession;
    try {
      opened = await openSession(graphs, request);
    } catch (error) {
      if (this.#sessions.size === 0) throw error;
      // The device may not have the memory for one more.
      await this.dispose();
      opened = await openSession(graphs, request);
    }
    this.#sessions.set(key, opened);
    return opened;
  }

  async dispose(): Promise<void> {
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
