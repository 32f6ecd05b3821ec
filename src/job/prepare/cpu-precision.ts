import type { LoadedModel } from '../../model/load/loaded-model.js';
import type { CpuPrecision } from '../../model/session/precision.js';
import { PROVIDERS } from '../../model/session/providers.js';
import { JobError } from '../../system/errors.js';
import type { RankMachine } from '../context/machine.js';
import type { JobOptions } from '../context/options.js';
import type { Identity } from '../journal/identity.js';

/** Key, in a journal's identity, of the precision on CPUs. */
export const ON_CPUS = 'precision on CPUs';

/**
 * Returns the precision of every rank on a CPU. It is one for all ranks and for all runs that share a
 * journal, so that a frame does not depend on the rank or run that infers it. It is int8 if the user asks for
 * it, some rank has no GPU, and every rank has the instructions; ranks with a GPU too, since one whose GPU
 * fails uses its CPU. Otherwise it is fp32, and `warning` says why.
 *
 * @param earlier the identity in an earlier run's journal of this job.
 * @throws {JobError} model: when the user asks for int8 and the model has no ranges for it.
 * @throws {JobError} journal: when the earlier run used int8 and these ranks cannot.
 */
export function cpuPrecision(
  model: Pick<LoadedModel, 'file' | 'int8'>,
  asked: Pick<JobOptions, 'precision' | 'provider'>,
  machines: readonly Pick<RankMachine, 'rank' | 'host' | 'gpus' | 'int8'>[],
  earlier: Identity | undefined,
): { readonly precision: CpuPrecision; readonly warning?: string } {
  if (asked.precision !== 'int8') return { precision: 'fp32' };
  if (model.int8 === undefined)
    throw new JobError('model', `"${model.file}" cannot run in int8: it has no ranges`, {
      hint: 'omit --precision; models/train/README.md explains how to measure ranges',
    });
  const lacking = machines.find(({ int8 }) => !int8);
  const lack = lacking && `rank ${lacking.rank} on ${lacking.host} has a processor with neither VNNI nor AMX`;
  const inFp32 = (why: string) => ({
    precision: 'fp32' as const,
    warning: `CPUs run the model in fp32, not in int8: ${why}`,
  });
  const begun = earlier?.[ON_CPUS];
  if (begun === 'fp32') return inFp32('the earlier run of this job did');
  if (begun === 'int8' && lack !== undefined)
    throw new JobError('journal', `the earlier run of this job used int8, and ${lack}`, {
      hint: 'resume it where every rank has VNNI or AMX, or add --restart to start over in fp32',
    });
  if (lack !== undefined) return inFp32(lack);
  const onlyCpus = asked.provider !== 'auto' && PROVIDERS[asked.provider].runsInt8;
  const someUseCpus = onlyCpus || machines.some(({ gpus }) => gpus === 0);
  return { precision: someUseCpus || begun === 'int8' ? 'int8' : 'fp32' };
}
