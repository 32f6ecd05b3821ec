/** The chroma of a job's frames, from its options, its source, its model and an earlier run. */
import type { LoadedModel } from '../../model/load/loaded-model.js';
import { JobError } from '../../system/errors.js';
import { chooseChroma, holdsChroma, PLAIN_CHROMA, type WireChroma } from '../../video/codecs/chroma.js';
import { chromaText } from '../../video/formats/frame-format.js';
import type { WirePlan } from '../../video/frames/wire.js';
import type { VideoFacts } from '../../video/source/source-facts.js';
import type { JobOptions } from '../context/options.js';
import type { Identity } from '../journal/identity.js';

/** Key, in a journal's identity, of more chroma than 4:2:0. Journals of early versions have none. */
const CHROMA = 'chroma';

/**
 * Returns the chroma of the frames on the wire: 4:2:0 for models that take blocks of it. With `auto`, work
 * that an earlier run began at 4:2:0 goes on so: early versions knew no other.
 *
 * @param earlier the identity in an earlier run's journal of this job.
 * @throws {JobError} usage: when more was asked for than the model takes.
 */
export function wireChroma(
  { chroma: asked, codec, preset }: Pick<JobOptions, 'chroma' | 'codec' | 'preset'>,
  video: VideoFacts,
  { io, name }: Pick<LoadedModel, 'io' | 'name'>,
  earlier: Identity | undefined,
): WireChroma {
  const chosen = chooseChroma(asked, video, { codec, preset });
  if (io.io === 'i420') {
    if (asked !== 'auto' && asked !== '420') {
      throw new JobError('usage', `"${name}" takes blocks of 4:2:0, so --chroma ${asked} does not apply`, {
        hint: 'omit --chroma, or choose a model that takes RGB',
      });
    }
    if (holdsChroma('420', video)) return PLAIN_CHROMA;
    return { chroma: '420', why: asked === 'auto' ? ', which is what the model takes' : '' };
  }
  const begunAt420 = earlier !== undefined && earlier[CHROMA] === undefined;
  if (asked !== 'auto' || chosen.chroma === '420' || !begunAt420) return chosen;
  const anew = chromaText(chosen.chroma);
  return { chroma: '420', why: `, as the earlier run of this job did; --restart starts over at ${anew}` };
}

/** Returns what of the chroma must be equal for a run to reuse earlier work: nothing at 4:2:0. */
export function chromaIdentity({ format }: Pick<WirePlan, 'format'>): Identity {
  const { chroma } = format.sample;
  return chroma === '420' ? {} : { [CHROMA]: chroma };
}
