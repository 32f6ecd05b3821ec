/** The states that a network passes from frame to frame, in the memory of a session. */
import type { NativeSession } from '../../system/native.js';
import { RESET_INPUT } from '../compose/state-ends.js';
import { allocateBuffer } from './session-errors.js';

export interface States {
  /**
   * Returns the buffers of the next run: what goes in and what comes out.
   *
   * @param resets for each of its frames, whether the states begin anew.
   */
  next(resets: readonly boolean[]): {
    readonly inputs: readonly Uint8Array[];
    readonly outputs: readonly Uint8Array[];
  };
}

/** Allocates the states of a session, twice: what a run gives, the next one takes. Undefined: it has none. */
export function openStates(session: NativeSession): States | undefined {
  const at = session.inputs.findIndex(({ name }) => name === RESET_INPUT);
  if (at < 0) return undefined;
  const sizes = session.inputs.slice(at + 1).map(({ bytes }) => bytes);
  const allocate = () => sizes.map((bytes) => allocateBuffer(bytes, session).fill(0));
  const flags = allocateBuffer(session.inputs[at]?.bytes ?? 1, session);
  let [before, after] = [allocate(), allocate()];
  return {
    next(resets) {
      flags.set(resets.map(Number));
      [before, after] = [after, before];
      return { inputs: [flags, ...before], outputs: after };
    },
  };
}
