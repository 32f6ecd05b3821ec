import { ffmpegVersion } from '../../video/ffmpeg/ffmpeg-facts.js';
import type { RankMachine } from '../context/machine.js';

/** The programs and machines of a job. */
export interface Environment {
  /** ISO 8601, in UTC. */
  readonly finished: string;
  readonly node: string;
  readonly system: string;
  readonly ffmpeg: string;
  readonly mpi: string;
  readonly hosts: readonly HostReport[];
}

export interface HostReport {
  readonly host: string;
  readonly ranks: number;
  /** Names of the processor and the GPUs. */
  readonly hardware: string;
}

/** Returns the environment of a job that ends now. Unknown versions fail nothing. */
export async function environmentOf(mpi: string, machines: readonly RankMachine[]): Promise<Environment> {
  const hosts = new Map<string, HostReport>();
  for (const { host, kind } of machines) {
    const ranks = (hosts.get(host)?.ranks ?? 0) + 1;
    hosts.set(host, { host, ranks, hardware: kind });
  }
  return {
    finished: new Date().toISOString(),
    node: process.version,
    system: `${process.platform} ${process.arch}`,
    ffmpeg: await ffmpegVersion().catch(() => 'unknown'),
    mpi,
    hosts: [...hosts.values()],
  };
}
