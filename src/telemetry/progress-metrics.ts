/** Names of the MLflow metrics with the progress of a job. `submit --wait` reads them. */
export const PROGRESS_METRICS = {
  framesDone: 'frames_done',
  framesTotal: 'frames_total',
  framesPerSecond: 'frames_per_second',
} as const;
