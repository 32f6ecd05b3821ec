/** Chooses how often the frames between decoder and encoder sample chroma. Pure. */
import { CHROMAS, type Chroma, chromaText, sampleOfDepth } from '../formats/frame-format.js';
import type { VideoFacts } from '../source/source-facts.js';
import { CODEC_FACTS, codecDefaults } from './codecs.js';
import type { DepthEncoding } from './depth.js';

/** The value of --chroma. */
export type ChromaRequest = 'auto' | Chroma;
export const CHROMA_CHOICES = ['auto', ...CHROMAS] as const;

/** The chroma on the wire. */
export interface WireChroma {
  readonly chroma: Chroma;
  /** What a note on the chroma goes on with: why there is no more, or how there would be. */
  readonly why?: string;
}

export const PLAIN_CHROMA: WireChroma = { chroma: '420' };

/** Returns the kinds of chroma that an encoding takes, the coarsest first. */
export function chromasOf({ codec, preset }: DepthEncoding): readonly Chroma[] {
  return CODEC_FACTS[codec].chromas(preset ?? codecDefaults(codec).preset);
}

/**
 * Returns what was asked for; with `auto` the coarsest chroma that holds the source, as far as the codec
 * takes it and players of it show it.
 */
export function chooseChroma(
  asked: ChromaRequest,
  video: Pick<VideoFacts, 'chromaShift' | 'grey'>,
  encoding: DepthEncoding,
): WireChroma {
  if (asked !== 'auto') return { chroma: asked };
  const all = chromasOf(encoding);
  const most = CODEC_FACTS[encoding.codec].autoChroma;
  const taken = all.filter((chroma) => chroma <= most);
  const holds = (chroma: Chroma) => holdsChroma(chroma, video);
  const chroma = taken.find(holds) ?? taken.at(-1) ?? '420';
  if (holds(chroma)) return { chroma };
  const finer = all.find(holds) ?? all.at(-1) ?? chroma;
  if (finer > chroma) return { chroma, why: `; --chroma ${finer} keeps more, which fewer players show` };
  const name = [encoding.codec, encoding.preset].filter((one) => one !== undefined).join(' ');
  return { chroma, why: `, the most that ${name} is written with` };
}

/** Returns whether such chroma is as fine as the source's. */
export function holdsChroma(
  chroma: Chroma,
  { chromaShift, grey }: Pick<VideoFacts, 'chromaShift' | 'grey'>,
): boolean {
  const { x, y } = sampleOfDepth(8, chroma).chromaShift;
  return grey || (x <= chromaShift.x && y <= chromaShift.y);
}

/** Returns the least chroma that holds the source's, as people write it. */
export function sourceChroma(video: Pick<VideoFacts, 'chromaShift' | 'grey'>): string {
  return chromaText(CHROMAS.find((chroma) => holdsChroma(chroma, video)) ?? '444');
}
