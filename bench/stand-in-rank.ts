/**
 * A rank of a job with a stand-in device; all other code is the real one. Arguments: milliseconds per frame,
 * then those of the job. The device returns each frame unchanged after that time, without using a core.
 */
import type { SessionGraphs } from '../src/model/session/precision.js';
import type { OpenedSession, SessionRequest } from '../src/model/session/session.js';
import { WarmSessions } from '../src/model/session/warm-sessions.js';
import { copyFrame, sleepingSession } from '../test/fixtures/sleeping-session.js';
import { runRank } from './job-rank.js';

const [milliseconds, ...args] = process.argv.slice(2);

class StandIns extends WarmSessions {
  override async open(_key: string, _graphs: SessionGraphs, request: SessionRequest): Promise<OpenedSession> {
    const session = await sleepingSession(1, request.inputBytes, Number(milliseconds), copyFrame);
    return { streams: [session], provider: 'cpu', precision: 'fp32', fallback: undefined, notes: [] };
  }
}

await runRank(args, new StandIns());
process.exit();
