import { join } from 'node:path';
import { runFfmpeg } from '../src/video/ffmpeg/ffmpeg.js';

export const RATE = 25;
export const SMALL = '640x360';
export const LARGE = '1920x1080';

/**
 * Creates a clip of `frames` frames of a moving test image in `folder`, with a keyframe at least every
 * `interval` frames. Returns its path.
 */
export async function makeClip(
  folder: string,
  size: string,
  frames: number,
  interval = 250,
): Promise<string> {
  const file = join(folder, `${size}-${frames}-${interval}.mp4`);
  await runFfmpeg({
    task: 'making a clip',
    inputs: [{ from: { lavfi: `testsrc2=size=${size}:rate=${RATE}` } }],
    outputs: [
      {
        to: { file },
        options: [
          ...['-frames:v', String(frames), '-c:v', 'libx264', '-preset', 'ultrafast'],
          ...['-crf', '20', '-pix_fmt', 'yuv420p', '-g', String(interval)],
        ],
      },
    ],
  });
  return file;
}
