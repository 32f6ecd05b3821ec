import { openSource } from '../job/prepare/source.js';
import type { Log } from '../report/log.js';
import { parseLocation } from '../storage/location/location.js';
import { JobError, messageOf } from '../system/errors.js';
import { openScratch } from '../system/scratch.js';
import { probe, sourceLimits } from '../video/source/probe.js';
import type { RunOutcome } from './runner.js';

/** Looks at an input before its job starts. Returns the outcome if the job is not worth starting. */
export type Gate = (input: string) => Promise<RunOutcome | undefined>;

/**
 * Returns a gate that probes each video on this machine, as its job would do first on the cluster. A video in
 * Blob storage is downloaded for that.
 */
export function probeGate(log: Log, stopped: AbortSignal): Gate {
  return async (input) => {
    await using scratch = openScratch();
    let path: string;
    try {
      ({ path } = await openSource(parseLocation(input), { log, scratch, stopped }));
    } catch (error) {
      if (stopped.aborted) return { kind: 'stopped' };
      return { kind: 'failed', reason: messageOf(error), final: false };
    }
    try {
      await probe(path, sourceLimits());
      return undefined;
    } catch (error) {
      const ofVideo = error instanceof JobError && (error.code === 'input' || error.code === 'limit');
      // An outage: the video waits.
      if (!ofVideo) throw new JobError('cluster', `videos cannot be probed here: ${messageOf(error)}`);
      return { kind: 'failed', reason: error.message.replaceAll(path, input), final: true };
    }
  };
}
