/** A job for the MPI Operator. */
export interface KubernetesJob {
  readonly name: string;
  readonly namespace: string;
  readonly image: string;
  readonly workers: number;
  /** One rank per GPU; 0 for one rank on the CPU. */
  readonly gpusPerWorker: number;
  /** The claim of the volume with INPUT and OUTPUT, mounted at VOLUME_FOLDER; undefined for Blob storage. */
  readonly claim: string | undefined;
  /** The Kueue queue that starts the job once all its pods have room; undefined to start it at once. */
  readonly queue: string | undefined;
  /** The arguments of the job: INPUT, OUTPUT and its options. */
  readonly args: readonly string[];
}

/** The mount point of the volume in pods. */
export const VOLUME_FOLDER = '/data';

/** Returns the number of ranks of a job. */
export function ranks(job: KubernetesJob): number {
  return job.workers * ranksPerWorker(job);
}

/** Returns the number of ranks per worker: one per GPU, or one on the CPU. */
export function ranksPerWorker(job: KubernetesJob): number {
  return Math.max(1, job.gpusPerWorker);
}
