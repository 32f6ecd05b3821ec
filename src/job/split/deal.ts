import { JobError } from '../../errors.js';
import { gate } from '../../storage/parallel.js';
import type { CutPiece } from '../../video/cut.js';
import type { FromRank, Line, ToRank } from './line.js';

export interface Deal {
  /** To every rank, in rank order. */
  readonly lines: readonly Line<ToRank, FromRank>[];
  /** The pieces that are to be made, which come while the video is read. */
  readonly pieces: AsyncGenerator<CutPiece, void, undefined>;
  /** About how many they are. */
  readonly count: number;
  /** What a rank is told of a piece. */
  readonly describe: (piece: CutPiece['piece']) => ToRank;
  /** Takes over a finished piece. */
  readonly record: (done: FromRank & { readonly kind: 'done' }, data: Uint8Array) => Promise<void>;
  /** Aborted when the job is to stop. */
  readonly stopped: AbortSignal;
}

/** Pieces that a rank may have at once: one that is worked on, and the next one on its way or being opened. */
const AT_HAND = 2;
/** Pieces that the root holds in memory at once, on their way out. */
const ON_THE_WAY = 4;

/**
 * Hands the pieces out, the next one to whichever rank has room, and takes in what becomes of them, until every rank has
 * ended. After a failure, or once the job is to stop, ranks drop what they have. Never rejects for a failure of a rank, of
 * the pieces or of `record`: gives the first one, undefined where all went well.
 */
export async function deal(context: Deal): Promise<{ readonly error: unknown } | undefined> {
  const { lines, pieces, describe, record, stopped } = context;
  const oneOfFew = gate(ON_THE_WAY);
  const open = new Set(lines);
  let left = context.count;
  let halted = false;
  let failure: { readonly error: unknown } | undefined;

  function halt(): void {
    if (halted) return;
    halted = true;
    for (const line of open) tell(line, { kind: 'stop' });
  }

  function fail(error: unknown): void {
    failure ??= { error };
    halt();
  }

  function tell(line: Line<ToRank, FromRank>, value: ToRank): void {
    line.send(value).catch(fail);
  }

  /** Gives a rank pieces up to its due. A second one only while there is one for every rank: else others would wait for it. */
  async function fill(line: Line<ToRank, FromRank>, atHand: number): Promise<number> {
    let now = atHand;
    while (!halted && now < (left >= lines.length ? AT_HAND : 1)) {
      left -= 1;
      const given = await oneOfFew(async () => {
        const next = await pieces.next();
        if (next.done === true || halted) return false;
        await line.send(describe(next.value.piece), next.value.data);
        return true;
      });
      if (!given) {
        if (!halted) tell(line, { kind: 'end' }); // Said again, it changes nothing.
        break;
      }
      now += 1;
    }
    return now;
  }

  async function serve(line: Line<ToRank, FromRank>): Promise<void> {
    let atHand = 0;
    const refill = async (): Promise<void> => {
      try {
        atHand = await fill(line, atHand);
      } catch (error) {
        fail(error);
      }
    };
    await refill();
    for (;;) {
      const { value, bytes } = await line.receive();
      if (value.kind === 'done') {
        atHand -= 1;
        await record(value, bytes).catch(fail);
        await refill();
        continue;
      }
      open.delete(line);
      if (value.kind === 'failed') {
        const { code, message, hint } = value;
        fail(new JobError(code, message, hint === null ? {} : { hint }));
      }
      await line.send({ kind: 'close' });
      return;
    }
  }

  stopped.addEventListener('abort', halt);
  if (stopped.aborted) halt();
  try {
    await Promise.all(lines.map(serve));
  } finally {
    stopped.removeEventListener('abort', halt);
    await pieces.return();
  }
  return failure;
}
