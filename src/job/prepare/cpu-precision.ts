import type { LoadedModel } from '../../model/load/loaded-model.js';
import type { CpuPrecision } from '../../model/session/precision.js';
import { JobError } from '../../system/errors.js';
import type { RankMachine } from '../context/machine.js';
import type { JobOptions } from '../context/options.js';
import type { Identity } from '../journal/identity.js';

/** The key of a journal's identity that says what CPUs compute in. */
export const ON_CPUS = 'precision on CPUs';

/**
 * What every rank on a CPU computes in: one of them for all, and for all runs that share a journal, so that a frame does not
 * depend on which rank or run infers it. It is int8 where that is asked for, some rank has no GPU, and every rank has the
 * instructions, those with a GPU too: one whose GPU fails uses its CPU. Otherwise it is fp32, and `warning` says why.
 *
 * @param earlier what an earlier run's journal of this job says.
 * @throws {JobError} model: when int8 is asked for and the model has no ranges for it; JobError('journal') when the earlier
 *   run began in it and these ranks cannot go on so.
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
      hint: 'leave --precision out; models/train/README.md tells how ranges are measured',
    });
  const lacking = machines.find(({ int8 }) => !int8);
  const lack = lacking && `rank ${lacking.rank} on ${lacking.host} has a processor with neither VNNI nor AMX`;
  const inFp32 = (why: string) => ({
    precision: 'fp32' as const,
    warning: `CPUs compute in fp32, not in int8: ${why}`,
  });
  const begun = earlier?.[ON_CPUS];
  if (begun === 'fp32') return inFp32('the earlier run began so');
  if (begun === 'int8' && lack !== undefined)
    throw new JobError('journal', `the earlier run of this job computed in int8, and ${lack}`, {
      hint: 'go on with it where every rank has one of them, or add --restart to begin anew in fp32',
    });
  if (lack !== undefined) return inFp32(lack);
  const someUseCpus = asked.provider === 'cpu' || machines.some(({ gpus }) => gpus === 0);
  return { precision: someUseCpus || begun === 'int8' ? 'int8' : 'fp32' };
}
