/** Reads the order of frames from the headers of H.265 (ITU-T H.265, 7.3.2.2). Pure. */
import { unitsOf } from './packet-digest.js';

/** The type of a unit that holds a sequence parameter set. */
const SEQUENCE = 33;
/** Bits of a profile, with its compatibility and constraint flags; a level has eight. */
const PROFILE_BITS = 88;
const LEVEL_BITS = 8;
const MOST_SUB_LAYERS = 8;
const LONGEST_CODE = 32;

/**
 * Returns the number of frames by which decoding may lag presentation, from the first sequence parameter set
 * in `extradata` (with start codes). Undefined if there is none, or if it is not valid.
 */
export function declaredReordering(extradata: Uint8Array): number | undefined {
  for (const unit of unitsOf(extradata, undefined)) {
    if ((((unit[0] ?? 0) >> 1) & 0x3f) === SEQUENCE) return reorderingIn(bitReader(unit.subarray(2)));
  }
  return undefined;
}

function reorderingIn({ bits, code, exhausted }: BitReader): number | undefined {
  bits(4);
  const subLayers = bits(3);
  bits(1);
  skipProfiles(bits, subLayers);
  code();
  const chroma = code();
  if (chroma === 3) bits(1);
  for (let size = 0; size < 2; size++) code();
  const cropped = bits(1) === 1;
  for (let side = 0; cropped && side < 4; side++) code();
  for (let depth = 0; depth < 3; depth++) code(); // of luma, of chroma, of the picture order count
  const forEach = bits(1) === 1;
  let reordering = 0;
  for (let layer = forEach ? 0 : subLayers; layer <= subLayers; layer++) {
    code();
    reordering = code();
    code();
  }
  return exhausted() ? undefined : reordering;
}

/** Passes over profile_tier_level(). */
function skipProfiles(bits: BitReader['bits'], subLayers: number): void {
  bits(PROFILE_BITS);
  bits(LEVEL_BITS);
  const present: number[] = [];
  for (let layer = 0; layer < subLayers; layer++) present.push(bits(2));
  if (subLayers > 0) bits(2 * (MOST_SUB_LAYERS - subLayers));
  for (const flags of present) bits((flags & 2 ? PROFILE_BITS : 0) + (flags & 1 ? LEVEL_BITS : 0));
}

interface BitReader {
  /** Returns the next `count` bits, 32 at most, as a number. */
  bits(this: void, count: number): number;
  /** Returns the next number in the Exp-Golomb code. */
  code(this: void): number;
  /** Returns whether more was read than there is. */
  exhausted(this: void): boolean;
}

function bitReader(unit: Uint8Array): BitReader {
  // A 3 follows two zero bytes where a third could look like a start code: these bytes are removed.
  const data = unit.filter((byte, at) => !(byte === 3 && unit[at - 1] === 0 && unit[at - 2] === 0));
  let at = 0;
  const bits = (count: number): number => {
    let value = 0;
    for (let bit = 0; bit < count; bit++, at++)
      value = value * 2 + (((data[at >> 3] ?? 0) >> (7 - (at & 7))) & 1);
    return value;
  };
  return {
    bits,
    code() {
      let zeros = 0;
      while (bits(1) === 0 && zeros < LONGEST_CODE) zeros += 1;
      return 2 ** zeros - 1 + bits(zeros);
    },
    exhausted: () => at > data.length * 8,
  };
}
