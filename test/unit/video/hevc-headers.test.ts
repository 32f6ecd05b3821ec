/** The lag of decoding that H.265 declares is read as FFmpeg reads it. */
import { join } from 'node:path';
import t from 'tap';
import { runFfmpeg, runFfprobe } from '../../../src/video/ffmpeg/ffmpeg.js';
import { declaredReordering } from '../../../src/video/mux/hevc-headers.js';
import { inspectSegment } from '../../../src/video/mux/segment-packets.js';

t.setTimeout(1_800_000);

t.test('with and without B-frames, layers and cropping', async (t) => {
  const folder = t.testdir();
  for (const [name, size, options] of [
    ['none', '64x64', 'bframes=0'],
    ['one', '64x64', 'bframes=1:b-pyramid=0'],
    ['pyramid', '64x64', 'bframes=4:b-pyramid=1'],
    ['cropped', '66x70', 'bframes=3:b-pyramid=0'],
    ['layers', '128x96', 'bframes=4:temporal-layers=1'],
    ['fields', '64x64', 'bframes=2:range=full:colorprim=bt709:hrd=1:vbv-maxrate=900:vbv-bufsize=900'],
  ] as const) {
    const file = join(folder, `${name}.nut`);
    const encoding = ['-c:v', 'libx265', '-x265-params', `log-level=none:${options}`];
    await runFfmpeg({
      task: 'making a segment',
      inputs: [{ from: { lavfi: `testsrc2=s=${size}:r=25` } }],
      outputs: [
        {
          to: { file },
          options: [
            '-frames:v',
            '3',
            ...encoding,
            '-pix_fmt',
            'yuv420p',
            '-flags',
            '+global_header',
            '-f',
            'nut',
          ],
        },
      ],
    });
    const { stream } = await inspectSegment(file);
    const told = (await runFfprobe(file, ['-show_entries', 'stream=has_b_frames'])) as {
      streams: { has_b_frames: number }[];
    };
    t.equal(declaredReordering(stream.extradata), told.streams[0]?.has_b_frames, name);
  }
});

t.test('what is no header of H.265 tells nothing', async (t) => {
  for (const bytes of [[], [1, 2, 3, 4], [0, 0, 1, 0x40, 1, 2], [0, 0, 1, 0x42, 1, 1, 1, 0x60]]) {
    t.equal(declaredReordering(Uint8Array.from(bytes)), undefined, `${bytes}`);
  }
});
