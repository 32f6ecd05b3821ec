/** A job as the MPI Operator is asked for it. */
export interface KubernetesJob {
  readonly name: string;
  readonly namespace: string;
  readonly image: string;
  readonly workers: number;
  /** One rank each; 0 for one rank on the CPU. */
  readonly gpusPerWorker: number;
  /** The volume with INPUT and OUTPUT, mounted at VOLUME_FOLDER; undefined where they lie in Blob storage. */
  readonly claim: string | undefined;
  /** The job's own words, as its ranks get them: INPUT, OUTPUT and its options. */
  readonly words: readonly string[];
}

/** Where pods mount the volume. */
export const VOLUME_FOLDER = '/data';

/** How many ranks a job has: the world's size. */
export function ranks(job: KubernetesJob): number {
  return job.workers * ranksPerWorker(job);
}

/** One a GPU; one on the CPU where there is none. */
export function ranksPerWorker(job: KubernetesJob): number {
  return Math.max(1, job.gpusPerWorker);
}
