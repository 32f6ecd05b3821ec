/** Names of the MLflow metrics by which a job tells how far it is, and `submit --wait` hears it. */
export const PROGRESS_METRICS = {
  framesDone: 'frames_done',
  framesTotal: 'frames_total',
  framesPerSecond: 'frames_per_second',
} as const;
