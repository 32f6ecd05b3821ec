/** The entries of the table of codecs for single pictures: each frame of a video is a file of its own. */
import { CHROMAS, type FrameLayout } from '../formats/frame-format.js';
import type { Codec, VideoCodec } from './codec.js';
import type { CodecFacts } from './codec-facts.js';

/** FFmpeg's finest fixed quantizer of JPEG. */
const JPEG_QUANTIZER = '2';

/** What the codecs of single pictures have in common. */
const STILL = {
  intraOnly: true,
  aliases: [],
  containers: ['images'],
  settings: {},
  preset: 'it has no speed presets',
  carriesHdr: () => false,
  colour: { fullRange: true, chromaLocations: () => [], isoTags: 'all' },
  cost: 0.05,
  lookahead: { frames: 1, perThread: 1, factor: 4 },
} as const satisfies Partial<CodecFacts>;

export const STILL_FACTS: Readonly<Record<Exclude<Codec, VideoCodec>, CodecFacts>> = {
  png: {
    ...STILL,
    title: 'PNG',
    encoders: ['png'],
    crf: 'it is lossless',
    pixelFormat: (frame) => rgbOf(frame, 'be'),
    depths: () => [8, 10, 12],
    autoDepth: 12,
    chromas: () => CHROMAS,
    autoChroma: '444',
    options: () => ['-c:v', 'png', '-pred', 'up'],
    colour: { ...STILL.colour, stills: 'rgb' },
  },
  tiff: {
    ...STILL,
    title: 'TIFF',
    encoders: ['tiff'],
    crf: 'it is lossless',
    pixelFormat: (frame) => rgbOf(frame, 'le'),
    depths: () => [8, 10, 12],
    autoDepth: 12,
    // NUT has no tag of its own for it.
    chromas: () => CHROMAS,
    autoChroma: '444',
    options: () => ['-c:v', 'tiff', '-compression_algo', 'deflate', '-tag:v', 'TIFF'],
    colour: { ...STILL.colour, stills: 'rgb' },
  },
  jpeg: {
    ...STILL,
    title: 'JPEG',
    encoders: ['mjpeg'],
    crf: 'its quality is the best of the encoder',
    pixelFormat: () => 'yuvj420p',
    depths: () => [8],
    autoDepth: 8,
    chromas: () => ['420'],
    autoChroma: '420',
    // FFmpeg refuses the closed groups that all encoders are asked for without this.
    options: () => ['-c:v', 'mjpeg', '-q:v', JPEG_QUANTIZER, '-sc_threshold', '1000000000'],
    colour: { ...STILL.colour, stills: 'jfif' },
  },
};

/** Pictures of more than 8 bits have 16. */
function rgbOf({ sample }: FrameLayout, order: 'le' | 'be'): string {
  return sample.bits === 8 ? 'rgb24' : `rgb48${order}`;
}
