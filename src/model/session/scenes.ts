/** The scenes in the frames of a shard, and what of them is a frame's neighbour. */
import { type SceneCuts, sceneCuts } from '../../video/frames/scene-cuts.js';
import type { CutPlan } from '../compose/compose.js';
import { type Edge, frameAt } from '../ports/edges.js';
import type { Window } from '../ports/window.js';

/** Frames that follow each other, `frameBytes` each, with those around them that they are made of. */
export interface SceneFrames {
  readonly data: Uint8Array;
  readonly count: number;
  readonly frameBytes: number;
}

/** The scenes of some frames. What lies beyond the frames is not looked at. */
export interface Scenes {
  /** Returns whether the frame at `place` is the first of a scene. */
  startsAt(place: number): boolean;
  /** Returns the place of the frame that stands for frame `place + offset` beside frame `place`. */
  neighbour(place: number, offset: number): number;
}

/**
 * Returns what finds the scenes of frames. Whether one begins depends on a frame and the one before alone.
 */
export function sceneFinder(plan: CutPlan, window: Window | undefined): (frames: SceneFrames) => Scenes {
  const cuts = sceneCuts(plan);
  return (frames) => scenesOf(frames, cuts, plan.threshold, window?.edge ?? 'replicate');
}

function scenesOf(
  { data, count, frameBytes }: SceneFrames,
  { small, distance }: SceneCuts,
  threshold: number,
  edge: Edge,
): Scenes {
  /** The first place of each frame's scene, and the one after its last. */
  const from = new Uint32Array(count);
  const to = new Uint32Array(count).fill(count);
  let before: Int32Array | undefined;
  for (let place = 0; place < count; place++) {
    const picture = small(data.subarray(place * frameBytes, (place + 1) * frameBytes));
    const isCut = before !== undefined && distance(before, picture) >= threshold;
    from[place] = isCut ? place : (from[place - 1] ?? 0);
    if (isCut) to.fill(place, from[place - 1], place);
    before = picture;
  }
  return {
    startsAt: (place) => place > 0 && from[place] === place,
    neighbour(place, offset) {
      const [first = 0, end = count] = [from[place], to[place]];
      return first + frameAt(place + offset - first, end - first, edge);
    },
  };
}
