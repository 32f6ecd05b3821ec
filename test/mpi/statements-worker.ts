// What each rank of world.test.ts runs to say as much as can be said in one statement, and a little more. The root prints
// one line of JSON: for each rank, whether the longest arrived, and whether all that were longer were refused.
import { joinWorld } from '../../src/mpi/world.js';

/** Bytes of a statement's JSON: one less than has room, for the end. */
const MOST = 16_383;
/** Three bytes each. */
const SIGN = '\u20ac';
const QUOTES = 2;

const world = await joinWorld();
const text = (bytes: number): string => {
  const left = bytes - QUOTES;
  return `${'a'.repeat(left % 3)}${SIGN.repeat(Math.floor(left / 3))}`;
};

const said = await world.collect(text(MOST));
const longest = said?.map((one) => one === text(MOST));
// One byte, two or three too much: the last character would be left out whole.
const refusals = await Promise.allSettled([1, 2, 3].map((more) => world.collect(text(MOST + more))));
const mine = refusals.every(
  (one) => one.status === 'rejected' && /is longer than \d+ bytes/.test(String(one.reason)),
);
const refused = await world.collect(mine);
if (world.isRoot) process.stdout.write(`${JSON.stringify({ longest, refused })}\n`);
await world.finalize();
