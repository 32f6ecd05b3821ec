import type { ComposedGraph } from '../../model/compose/compose.js';
import { JobError } from '../../system/errors.js';
import type { FewerFrames } from './batch.js';

/** Size limit of a buffer: that of a Uint8Array in Node.js 20. */
const MOST_BYTES = 2 ** 32;

/** Size limit of a frame: MPI counts bytes in signed 32-bit numbers. */
const MOST_FRAME_BYTES = 2 ** 31 - 1;

/** The facts that decide the size of the pipeline's buffers. */
export interface Batches {
  /** Frames that a rank gets at a time. */
  readonly batch: number;
  /** Bytes of one frame in wire format, before and after the model. */
  readonly graph: Pick<ComposedGraph, 'inputBytes' | 'rowBytes'>;
  readonly fewer: FewerFrames | undefined;
}

/**
 * Refuses buffers that would be too large, before any is allocated: a frame, one rank's batch, and the root's
 * round of batches for `ranks` ranks. The batch is not reduced instead: on some devices a frame's last bits
 * depend on it, and the output must be the same at any number of ranks.
 *
 * @throws {JobError} limit: when a buffer would be too large. The hint says what fits.
 */
export function refuseLargeBuffers({ batch, graph, fewer }: Batches, ranks: number): void {
  const frame = Math.max(graph.inputBytes, graph.rowBytes);
  const frames = `${batch} frame${batch === 1 ? '' : 's'} of ${(frame / 2 ** 20).toFixed(1)} MiB`;
  const most = (bytes: number): number => Math.floor(MOST_BYTES / bytes);
  const smaller = (fitting: number): string[] =>
    fitting > 0 && fewer !== undefined ? [fewer.way(fitting)] : [];
  if (frame > MOST_FRAME_BYTES) {
    throw new JobError(
      'limit',
      `a frame of ${gibibytes(frame)} GiB is too large: MPI carries 2 GiB at most`,
      {
        hint: 'what fits: a smaller video, or a model with a smaller scale',
      },
    );
  }
  if (batch * frame > MOST_BYTES) {
    const [way = 'a smaller video, or a model that takes fewer frames at a time'] = smaller(most(frame));
    throw tooLarge(`a batch of ${frames} is`, batch * frame, `what fits: ${way}`);
  }
  if (ranks * batch * frame > MOST_BYTES) {
    const left = most(batch * frame);
    const ways = [...smaller(most(ranks * frame)), `at most ${left} rank${left === 1 ? '' : 's'}`];
    const hint = `what fits: ${ways.join(', or ')}; with --split segments rank 0 holds no other rank's frames`;
    throw tooLarge(`a round of ${ranks} ranks x ${frames} is`, ranks * batch * frame, hint);
  }
}

function tooLarge(what: string, bytes: number, hint: string): JobError {
  return new JobError('limit', `${what} ${gibibytes(bytes)} GiB, and a buffer holds 4 GiB at most`, { hint });
}

function gibibytes(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(2);
}
