/** The lengths of a queue's videos, for its progress. */
import type { QueueProgress } from '../../report/queue-progress.js';
import { parseLocation } from '../../storage/location/location.js';
import { promisedLength } from '../../video/source/probe.js';
import type { JobOptions } from '../context/options.js';
import { framesTaken, samplingOf } from '../context/sampling.js';

/** Reading headers takes a process for each video: of longer queues, the rest counts as the mean. */
const MOST_MEASURED = 1000;
const MOST_MS = 10_000;
/** For `framesTaken`, where headers tell no rate. */
const USUAL_RATE = { num: 25, den: 1 };

/**
 * Reads the headers of the videos on this machine, one after another, and tells `progress` their lengths.
 * What cannot be read has none. It never fails; `signal` ends it.
 */
export async function measureQueue(
  jobs: readonly JobOptions[],
  progress: QueueProgress,
  signal: AbortSignal,
): Promise<void> {
  for (const [at, job] of jobs.slice(0, MOST_MEASURED).entries()) {
    if (signal.aborted) return;
    const location = parseLocation(job.input);
    if (location.kind !== 'file' || progress.isMeasured(at)) continue;
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(MOST_MS)]);
      const length = await promisedLength(location.path, limit);
      if (length === undefined || progress.isMeasured(at)) continue;
      const { frames, rate = USUAL_RATE } = length;
      progress.measured(at, framesTaken(samplingOf(job), frames, rate));
    } catch {
      // Its own job says what is wrong with it.
    }
  }
}
