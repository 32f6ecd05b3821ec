/**
 * Decides which of NVIDIA's video engines a job uses: once, before the first frame, for every rank that needs
 * them.
 */

import { JobError } from '../../system/errors.js';
import type { Codec } from '../../video/codecs/codec.js';
import { nvencEncoder, unfitForNvdec, unfitForNvenc } from '../../video/codecs/nvidia.js';
import type { DecodeTrial, EncodeTrial, Failed } from '../../video/frames/nvidia-trial.js';
import type { HwaccelName } from '../context/options.js';
import type { PreparedJob } from './prepare.js';

/** The request for an engine: not to use it, to use it if it works, or to require it. */
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

/** The request for both engines for one video, and the reasons against them. */
export interface HardwareRequest {
  readonly nvdec: EngineRequest;
  readonly nvenc: EngineRequest;
  /** Why the engine cannot handle the video or the options on any device; null if it can. */
  readonly unfit: { readonly nvdec: string | null; readonly nvenc: string | null };
  /** Undefined: nothing is encoded. */
  readonly codec: Codec | undefined;
}

/** The result of one rank's trials; null for an engine that was not tried. */
export interface RankTrial {
  readonly rank: number;
  readonly host: string;
  /** Number of visible GPUs. */
  readonly gpus: number;
  readonly nvdec: DecodeTrial | null;
  readonly nvenc: EncodeTrial | null;
}

/** The engines that a job uses. */
export interface Hardware {
  readonly nvdec: boolean;
  readonly nvenc: boolean;
  /** The encoder, as the journal records it: all segments of an output must have the same. */
  readonly encoder: string;
  /** Notes for the user, one line each. */
  readonly notes: readonly string[];
}

const SOFTWARE = 'software';

/** Returns the request of `--hwaccel` for this video. */
export function hardwareRequest(
  hwaccel: HwaccelName,
  { source, video }: Pick<PreparedJob, 'source' | 'video'>,
  tolerant: boolean,
): HardwareRequest {
  const damaged = tolerant ? '--tolerant conceals damage in software' : undefined;
  return {
    ...REQUESTS[hwaccel],
    unfit: {
      nvdec: damaged ?? unfitForNvdec(source.video) ?? null,
      nvenc: (video === undefined ? 'no video is encoded' : unfitForNvenc(video.spec)) ?? null,
    },
    codec: video?.spec.codec,
  };
}

/** Returns whether an engine must be tried. */
export function isToBeTried(request: HardwareRequest, engine: 'nvdec' | 'nvenc'): boolean {
  return request[engine] !== 'no' && request.unfit[engine] === null;
}

/**
 * Decides from the trials of the ranks that decode and encode (the root first) and from the encoder in an
 * earlier run's journal.
 *
 * @throws {JobError} input: when a required engine cannot handle this video.
 * @throws {JobError} provider: when a required engine does not work.
 * @throws {JobError} journal: when the earlier run's encoder does not work here.
 */
export function decideHardware(
  request: HardwareRequest,
  ranks: readonly RankTrial[],
  earlier: unknown,
): Hardware {
  const notes: string[] = [];
  // Without a GPU nobody needs a note that it is not used.
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
      `the earlier run encoded with ${begun}, which does not work here: ${request.unfit.nvenc ?? failure}`,
      { hint: 'resume it where NVENC works, or add --restart to start over' },
    );
  }
  const staysInSoftware = request.nvenc === 'try' && begun === SOFTWARE;
  if (staysInSoftware && works) notes.push('NVENC is not used: the earlier run encoded in software');
  const nvenc = !staysInSoftware && uses('nvenc', failure);
  const header = ranks[0]?.nvenc?.works === true ? ranks[0].nvenc.header : '';
  const name = nvenc && request.codec !== undefined ? nvencEncoder(request.codec) : undefined;
  const encoder = name === undefined ? SOFTWARE : `${name} with header ${header}`;
  if (nvdec) notes.push('NVDEC decodes; it does not report all damage that a software decoder finds');
  if (name !== undefined) notes.push(`NVENC encodes (${name})`);
  return { nvdec, nvenc, encoder, notes };
}

/** Returns the reason of the first rank whose trial failed. */
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

/**
 * Returns why NVENC cannot be used. All ranks' encoders must write one header, or their segments do not fit
 * together.
 */
function nvencFailure(ranks: readonly RankTrial[]): string | undefined {
  const failure = failureOf(ranks, (rank) => rank.nvenc);
  if (failure !== undefined) return failure;
  const headers = ranks.map(({ nvenc }) => (nvenc?.works === true ? nvenc.header : ''));
  const odd = ranks[headers.findIndex((header) => header !== headers[0])];
  if (odd === undefined) return undefined;
  return `${named(odd, ranks)}its encoder's header differs from that of rank 0: another kind of GPU or driver`;
}

function named({ rank, host }: RankTrial, ranks: readonly RankTrial[]): string {
  return ranks.length > 1 ? `rank ${rank} on ${host}: ` : '';
}

function refusal(name: string, why: string, tried: boolean): JobError {
  return new JobError(tried ? 'provider' : 'input', `${name} cannot be used: ${why}`, {
    hint: '--hwaccel auto uses the engines that work, --hwaccel none only software',
  });
}
