/** Frames that a model looks at together, and what that means for a job. */
import type { ComposedGraph } from '../../model/compose/compose.js';
import { JobError } from '../../system/errors.js';
import type { JobOptions } from '../context/options.js';
import { samplingOf } from '../context/sampling.js';

/** Refuses to leave frames out that a model looks at. */
export function refuseSampledRuns(options: JobOptions, { window, every, chunk }: ComposedGraph): void {
  if (samplingOf(options) === undefined || (window === undefined && every === undefined)) return;
  const option = options.fps === undefined ? '--every' : '--fps';
  const alone = chunk === undefined ? 'has a state' : 'makes frames together';
  const why = window === undefined ? alone : 'looks at neighbouring frames';
  throw new JobError('usage', `"${options.model}" ${why}, so ${option} does not apply`);
}

/** Returns a note if a video has fewer runs than there are ranks. */
export function fewRuns(
  frames: number | undefined,
  { every, chunk }: Pick<ComposedGraph, 'every' | 'chunk'>,
  ranks: number,
): readonly string[] {
  if (frames === undefined || every === undefined) return [];
  const runs = Math.ceil(frames / every);
  if (runs >= ranks) return [];
  const why = every === chunk?.frames ? 'the model makes' : 'states begin anew every';
  const what =
    every === chunk?.frames ? 'frames together, and so many stay' : 'frames, and a run of so many stays';
  return [`${runs} of ${ranks} ranks have work: ${why} ${every} ${what} on one rank`];
}
