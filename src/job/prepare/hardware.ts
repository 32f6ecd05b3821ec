/** Which of NVIDIA's video engines a job uses: decided once, before the first frame, for every rank that needs them. */

import { JobError } from '../../system/errors.js';
import type { Codec } from '../../video/codecs/codec.js';
import { nvencEncoder, unfitForNvdec, unfitForNvenc } from '../../video/codecs/nvidia.js';
import type { DecodeTrial, EncodeTrial, Failed } from '../../video/frames/nvidia-trial.js';
import type { HwaccelName } from '../context/options.js';
import type { PreparedJob } from './prepare.js';

/** Whether an engine is not wanted, wanted where it works, or demanded. */
export type EngineRequest = 'no' | 'try' | 'required';

const REQUESTS: Readonly<
  Record<HwaccelName, { readonly nvdec: EngineRequest; readonly nvenc: EngineRequest }>
> = {
  none: { nvdec: 'no', nvenc: 'no' },
  auto: { nvdec: 'try', nvenc: 'try' },
  nvdec: { nvdec: 'required', nvenc: 'no' },
  nvenc: { nvdec: 'no', nvenc: 'required' },
  cuda: { nvdec: 'required', nvenc: 'required' },
};

/** What is wanted of the engines for one video, and what in it speaks against them. */
export interface HardwareRequest {
  readonly nvdec: EngineRequest;
  readonly nvenc: EngineRequest;
  /** Why the video, or what is asked for, is nothing for the engine, whatever the device; null where it is. */
  readonly unfit: { readonly nvdec: string | null; readonly nvenc: string | null };
  readonly codec: Codec;
}

/** What one rank found; null for what was not tried. */
export interface RankTrial {
  readonly rank: number;
  readonly host: string;
  /** GPUs that it sees. */
  readonly gpus: number;
  readonly nvdec: DecodeTrial | null;
  readonly nvenc: EncodeTrial | null;
}

/** What a job uses. */
export interface Hardware {
  readonly nvdec: boolean;
  readonly nvenc: boolean;
  /** Who encodes, as the journal keeps it: segments of one output are all made alike. */
  readonly encoder: string;
  /** What the user should know, a line each. */
  readonly notes: readonly string[];
}

const SOFTWARE = 'software';

/** What `--hwaccel` asks for, of this video. */
export function hardwareRequest(
  hwaccel: HwaccelName,
  { source, spec }: Pick<PreparedJob, 'source' | 'spec'>,
  tolerant: boolean,
): HardwareRequest {
  const damaged = tolerant ? '--tolerant conceals damage in software' : undefined;
  return {
    ...REQUESTS[hwaccel],
    unfit: {
      nvdec: damaged ?? unfitForNvdec(source.video) ?? null,
      nvenc: unfitForNvenc(spec) ?? null,
    },
    codec: spec.codec,
  };
}

/** Whether a trial has to tell. */
export function isToBeTried(request: HardwareRequest, engine: 'nvdec' | 'nvenc'): boolean {
  return request[engine] !== 'no' && request.unfit[engine] === null;
}

/**
 * Decides by what the ranks that decode and encode found (the root first) and by what an earlier run's journal says of the
 * encoder. Pure. Errors: JobError('input') where an engine is demanded that is nothing for this video, JobError('provider')
 * where it does not work, JobError('journal') where the earlier run's encoder is not to be had.
 */
export function decideHardware(
  request: HardwareRequest,
  ranks: readonly RankTrial[],
  earlier: unknown,
): Hardware {
  const notes: string[] = [];
  // Where no GPU is, nobody needs to be told that it is not used.
  const aGpu = ranks.some(({ gpus }) => gpus > 0);

  function uses(engine: 'nvdec' | 'nvenc', trialFailure: string | undefined): boolean {
    if (request[engine] === 'no') return false;
    const name = engine.toUpperCase();
    const why = request.unfit[engine] ?? trialFailure;
    if (why === undefined) return true;
    if (request[engine] === 'required') throw refusal(name, why, request.unfit[engine] === null);
    if (aGpu) notes.push(`${name} is not used: ${why}`);
    return false;
  }

  const undecoded = failureOf(ranks, (rank) => rank.nvdec);
  const nvdec = uses('nvdec', undecoded);
  const failure = nvencFailure(ranks);
  const works = request.unfit.nvenc === null && failure === undefined;
  const begun = typeof earlier === 'string' ? earlier : undefined;
  if (request.nvenc === 'try' && begun !== undefined && begun !== SOFTWARE && !works) {
    throw new JobError(
      'journal',
      `the work so far was encoded by ${begun}, which does not work here: ${request.unfit.nvenc ?? failure}`,
      { hint: 'go on with it where that works, or begin anew with --restart' },
    );
  }
  const goesOn = request.nvenc === 'try' && begun === SOFTWARE;
  if (goesOn && works) notes.push('NVENC is not used: the earlier run encoded in software');
  const nvenc = !goesOn && uses('nvenc', failure);
  const header = ranks[0]?.nvenc?.works === true ? ranks[0].nvenc.header : '';
  const encoder = nvenc ? `${nvencEncoder(request.codec)} with header ${header}` : SOFTWARE;
  if (nvdec) notes.push('NVDEC decodes; it does not tell of all damage that software would find');
  if (nvenc) notes.push(`NVENC encodes (${nvencEncoder(request.codec)})`);
  return { nvdec, nvenc, encoder, notes };
}

/** Why one of the ranks could not; the first of them. */
function failureOf(
  ranks: readonly RankTrial[],
  trialOf: (rank: RankTrial) => { readonly works: true } | Failed | null,
): string | undefined {
  for (const rank of ranks) {
    const trial = trialOf(rank);
    if (trial?.works === false) return `${named(rank, ranks)}${trial.why}`;
  }
  return undefined;
}

/** Segments go together only where all ranks' encoders write one header. */
function nvencFailure(ranks: readonly RankTrial[]): string | undefined {
  const failure = failureOf(ranks, (rank) => rank.nvenc);
  if (failure !== undefined) return failure;
  const headers = ranks.map(({ nvenc }) => (nvenc?.works === true ? nvenc.header : ''));
  const odd = ranks[headers.findIndex((header) => header !== headers[0])];
  if (odd === undefined) return undefined;
  return `${named(odd, ranks)}its encoder writes another header than the root's: another kind of GPU or driver`;
}

function named({ rank, host }: RankTrial, ranks: readonly RankTrial[]): string {
  return ranks.length > 1 ? `rank ${rank} on ${host}: ` : '';
}

function refusal(name: string, why: string, tried: boolean): JobError {
  return new JobError(tried ? 'provider' : 'input', `${name} cannot be used: ${why}`, {
    hint: '--hwaccel auto uses what works and software for the rest, none software alone',
  });
}
