/** Finds where one recording follows another within a file. */
import { JobError } from '../../system/errors.js';
import type { StreamPlan } from '../mux/stream-plan.js';
import { listPackets } from '../source/compressed-packets.js';
import { hasBroadcastClock, type SourceFacts } from '../source/source-facts.js';

/** Times that go back by more seconds than these are another recording's: as the decoder takes them (raw-frames.ts). */
const MOST_SLIP_SECONDS = 1;

/**
 * Refuses a broadcast's recording (a transport or program stream) whose clock goes back on the way, where other streams
 * than the video are to be carried over: a tolerant decoder lets the frames after follow on, but they would not. Reads
 * through the file. Errors: JobError('input') where the clock goes back; JobError('ffmpeg').
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
        `"${source.path}" holds more than one recording: its clock goes back by ${back.toFixed(2)} s at ${at} s, and sound and subtitles would be out of step with the picture from there`,
        { hint: 'put it on one clock first: ffmpeg -i INPUT -map 0 -dn -c copy NEW.mkv; then give NEW.mkv' },
      );
    }
    latest = Math.max(latest, time);
  }
}
