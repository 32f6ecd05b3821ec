/** The bits per sample of a job, from its options, its source and an earlier run. */
import { JobError } from '../../system/errors.js';
import type { EncodeSpec } from '../../video/codecs/codec.js';
import { CODEC_FACTS } from '../../video/codecs/codecs.js';
import { chooseDepth, type WireDepth } from '../../video/codecs/depth.js';
import { hasEncoder, takesPixelFormat } from '../../video/ffmpeg/ffmpeg-facts.js';
import type { WirePlan } from '../../video/frames/wire.js';
import type { VideoFacts } from '../../video/source/source-facts.js';
import type { JobOptions } from '../context/options.js';
import type { Identity } from '../journal/identity.js';

/** Key, in a journal's identity, of more than 8 bits per sample. Journals of early versions have none. */
const DEPTH = 'depth';

/**
 * Returns the depth of the frames on the wire. With `auto`, work that an earlier run began at 8 bits goes on
 * so: early versions knew no other depth.
 *
 * @param earlier the identity in an earlier run's journal of this job.
 */
export function wireDepth(
  { depth, codec, preset }: Pick<JobOptions, 'depth' | 'codec' | 'preset'>,
  video: VideoFacts,
  earlier: Identity | undefined,
): WireDepth {
  const chosen = chooseDepth(depth, video, { codec, preset });
  const begunAt8 = earlier !== undefined && earlier[DEPTH] === undefined;
  if (depth !== 'auto' || chosen.bits === 8 || !begunAt8) return chosen;
  return { bits: 8, why: `, as the earlier run of this job did; --restart starts over at ${chosen.bits}` };
}

/** Returns what of the depth must be equal for a run to reuse earlier work: nothing at 8 bits. */
export function depthIdentity({ format }: Pick<WirePlan, 'format'>): Identity {
  const { bits } = format.sample;
  return bits === 8 ? {} : { [DEPTH]: bits };
}

/**
 * Refuses an encoding at more than 8 bits, or of more chroma than 4:2:0, that the encoder of this ffmpeg was
 * not built for.
 *
 * @throws {JobError} ffmpeg: when it was not.
 */
export async function refuseLackingFormat(spec: EncodeSpec): Promise<void> {
  const { codec, pixelFormat, sample } = spec;
  if (sample.bits === 8 && sample.chroma === '420') return;
  const options = await CODEC_FACTS[codec].options(spec, []);
  const encoder = options[options.indexOf('-c:v') + 1] ?? codec;
  const less = [
    ...(sample.bits === 8 ? [] : ['--depth 8']),
    ...(sample.chroma === '420' ? [] : ['--chroma 420']),
  ];
  const hint = `add ${less.join(' and ')}, choose another --codec, or install an ffmpeg whose encoder has it`;
  if (!(await hasEncoder(encoder)))
    throw new JobError(
      'ffmpeg',
      `this ffmpeg has no encoder ${encoder}, which ${codec} needs for ${pixelFormat}`,
      {
        hint,
      },
    );
  if (await takesPixelFormat(encoder, pixelFormat)) return;
  throw new JobError('ffmpeg', `the encoder ${encoder} of this ffmpeg was built without ${pixelFormat}`, {
    hint,
  });
}
