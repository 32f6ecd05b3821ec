/** Finds the places in a file where another recording begins. */
import { JobError } from '../../system/errors.js';
import type { StreamPlan } from '../mux/stream-plan.js';
import { listPackets } from '../source/compressed-packets.js';
import { hasBroadcastClock, type SourceFacts } from '../source/source-facts.js';

/** Times that go back by more seconds belong to another recording, as for the decoder (raw-frames.ts). */
const MOST_SLIP_SECONDS = 1;

/**
 * Refuses the recording of a broadcast (a transport or program stream) whose clock jumps back, if other
 * streams than the video are carried over. A tolerant decoder lets the frames after the jump follow on, but
 * those streams would not. Reads the whole file.
 *
 * @throws {JobError} input: when the clock jumps back.
 * @throws {JobError} ffmpeg: when the file cannot be read.
 */
export async function refuseSplices(source: SourceFacts, plan: StreamPlan): Promise<void> {
  const others = plan.actions.some(({ kind }) => kind === 'copy' || kind === 'convert');
  if (!others || !hasBroadcastClock(source)) return;
  const { num, den } = source.video.timeBase;
  let latest = Number.NEGATIVE_INFINITY;
  for await (const { dts, pts } of listPackets(source)) {
    const time = dts ?? pts;
    if (time === undefined) continue;
    const back = ((latest - time) * num) / den;
    if (back > MOST_SLIP_SECONDS) {
      const at = ((latest * num) / den).toFixed(2);
      throw new JobError(
        'input',
        `"${source.path}" holds more than one recording: its clock goes back by ${back.toFixed(2)} s at ${at} s, and audio and subtitles would be out of sync with the video from there`,
        {
          hint: 'remux it to continuous timestamps first: ffmpeg -i INPUT -map 0 -dn -c copy NEW.mkv; then give NEW.mkv',
        },
      );
    }
    latest = Math.max(latest, time);
  }
}
