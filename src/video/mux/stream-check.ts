/** Compares the streams of a written file with what was planned for them. Pure. */

import type { SourceFacts, StreamFacts } from '../source/source-facts.js';
import { mappedActions, streamAt } from './mux-command.js';
import type { StreamAction, StreamPlan } from './stream-plan.js';

/** The codecs of encoders that have another name. */
const CODEC_OF_ENCODER: Readonly<Record<string, string>> = { libopus: 'opus', srt: 'subrip' };

/** Returns the faults in the streams of `output`, by their index in `source`: empty if all are as planned. */
export function wrongStreams(
  output: Pick<SourceFacts, 'streams'>,
  source: SourceFacts,
  plan: StreamPlan,
): ReadonlyMap<number, string> {
  const wrong = new Map<number, string>();
  const attached = plan.actions.filter(({ kind }) => kind === 'attach');
  const wanted = [...mappedActions(plan), ...attached];
  // Demuxers list cover art and attachments after the tracks; within each group the order stays.
  for (const group of ['track', 'cover art', 'attachment']) {
    const found = output.streams.filter((stream) => classOf(stream) === group);
    const planned = wanted.filter(({ index }) => classOf(streamAt(source, index)) === group);
    for (const [place, action] of planned.entries()) {
      const difference = differenceOf(action, streamAt(source, action.index), found[place]);
      if (difference !== undefined) wrong.set(action.index, difference);
    }
  }
  return wrong;
}

/** Returns whether a stream is neither cover art nor an attached file. */
export function isTrack(stream: StreamFacts): boolean {
  return classOf(stream) === 'track';
}

function classOf(stream: StreamFacts): 'cover art' | 'attachment' | 'track' {
  if (stream.attachedPicture) return 'cover art';
  return stream.type === 'attachment' ? 'attachment' : 'track';
}

function differenceOf(
  action: StreamAction,
  stream: StreamFacts,
  there: StreamFacts | undefined,
): string | undefined {
  if (there === undefined) return 'missing';
  if (action.kind === 'video') return there.type === 'video' ? undefined : `${there.type} instead of video`;
  if (stream.type === 'data' || stream.type === 'attachment') return undefined;
  const codec =
    action.kind === 'convert' ? (CODEC_OF_ENCODER[action.encoder] ?? action.encoder) : stream.codec;
  if (there.type !== stream.type) return `${there.type} (${there.codec}) instead of ${stream.type}`;
  return familyOf(there.codec) === familyOf(codec) ? undefined : `${there.codec} instead of ${codec}`;
}

/**
 * Returns the letters at the beginning of a codec's name. A container may have another name for a variant of
 * a copied codec (MP4 does not distinguish MP2 and MP3, and neither do their headers), but these letters
 * stay.
 */
function familyOf(codec: string): string {
  return /^[a-z]*/.exec(codec)?.[0] ?? codec;
}
