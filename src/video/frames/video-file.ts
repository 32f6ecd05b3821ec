/** A whole video file, encoded at once and with nothing else in it. */
import { JobError } from '../../system/errors.js';
import { isPlainObject } from '../../system/plain-object.js';
import type { Codec } from '../codecs/codec.js';
import { runFfprobe } from '../ffmpeg/ffmpeg.js';
import type { Container } from '../formats/container.js';
import type { EncodedFile } from './encode.js';

/** Returns what an encoder needs to write such a file. */
export function videoFile(container: Container, codec: Codec): EncodedFile {
  const { isoMedia, muxer } = container;
  return {
    options: [
      ...['-xerror', '-fflags', '+bitexact', '-map_metadata', '-1'],
      ...(isoMedia ? ['-movflags', '+faststart'] : []),
      // Apple's players refuse FFmpeg's default, `hev1`.
      ...(isoMedia && codec === 'hevc' ? ['-tag:v', 'hvc1'] : []),
      ...['-f', muxer],
    ],
    check: checkFrames,
  };
}

async function checkFrames(path: string, frames: number): Promise<void> {
  const args = ['-count_packets', '-select_streams', 'v:0', '-show_entries', 'stream=nb_read_packets'];
  const found = await runFfprobe(path, args);
  const streams = isPlainObject(found) && Array.isArray(found.streams) ? found.streams : [];
  const [stream] = streams as readonly unknown[];
  const count = isPlainObject(stream) ? Number(stream.nb_read_packets) : Number.NaN;
  if (count === frames) return;
  throw new JobError('ffmpeg', `"${path}" has ${count} packets of video, and ${frames} frames were encoded`);
}
