import { GPU_SIZES, gpuSize } from '../../cloud/gpu-sizes.js';
import { SPLITS } from '../../job/context/options.js';
import { GPU_PEAKS, type GpuName, type GpuNode } from '../../job/plan/gpu-bound.js';
import { MOST_NODES, MOST_RANKS_PER_NODE, type PlanOptions } from '../../job/plan/plan-options.js';
import { didYouMean } from '../../system/suggestion.js';
import { jobOptions } from '../job/job-options.js';
import { singleJob } from '../job/parse-job.js';
import { withPartNames } from '../job/part-options.js';
import { type CommandSpec, parseCommand, type Text, usageError } from '../parsing/command-line.js';
import { optionValues } from '../parsing/option-values.js';

/** The request of `plan`. */
export interface PlanCommand {
  readonly kind: 'plan';
  readonly options: PlanOptions;
}

const GROUP = 'Plan:';
const NODES = '1,2,4,8';
/** The most numbers of nodes. */
const MOST_ROWS = 16;
const NETWORK = 10;
/** Bytes per second in a gigabit. */
const GIGABIT = 1e9 / 8;

export const PLAN = {
  name: 'plan',
  about: 'Predict the speed, time, memory and cost of a job',
  forms: ['INPUT [OUTPUT] [options]'],
  examples: [
    'framescatter plan in.mp4 --model wave',
    'framescatter plan in.mp4 --model my-model.onnx --nodes 1,2,4,8,16 --price 0.5',
    'framescatter plan in.mp4 --nodes 1 --ranks-per-node 2 --split frames',
    'framescatter plan in.mp4 --vm-size Standard_NC4as_T4_v3',
    'framescatter plan in.mp4 --json > plan.json',
  ],
  text:
    'Measures for some seconds how fast this machine decodes, infers and encodes frames of the video, and ' +
    'works out what a job on several such machines would do. Takes the options of a job; without OUTPUT it ' +
    'plans an mp4. Writes nothing. docs/plan.md says how it predicts, and how well.',
  epilogue: 'Exit codes: 0 done, 2 usage, 75 stopped, 1 anything else.',
  repeatable: ['input', 'output', 'encoder-option'],
  options: (parser) =>
    jobOptions(parser)
      .option('split', {
        type: 'string',
        choices: SPLITS,
        default: 'auto' as const,
        group: GROUP,
        describe: 'frames or segments: plan this split alone; auto: both',
      })
      .option('nodes', {
        type: 'string',
        default: NODES,
        group: GROUP,
        describe: `numbers of machines, with commas, at most ${MOST_ROWS}`,
      })
      .option('ranks-per-node', {
        type: 'number',
        group: GROUP,
        describe: 'ranks on each machine; default 1, or one for each GPU of --vm-size',
      })
      .option('vm-size', {
        type: 'string',
        group: GROUP,
        describe:
          'a VM size of Azure with GPUs in place of this machine: tells only what it could do at most',
      })
      .option('network', {
        type: 'number',
        default: NETWORK,
        group: GROUP,
        describe: 'gigabits per second between machines, each way',
      })
      .option('json', { type: 'boolean', default: false, group: GROUP, describe: 'print JSON' }),
} satisfies CommandSpec<unknown>;

const usage = (message: string) => usageError(PLAN.name, message);
const { inRange, whole } = optionValues(usage);

/** Options of other jobs than that of one video. */
const NOT_PLANNED = ['out-dir', 'list', 'max-failures'] as const;

/**
 * Parses what follows `plan`. Pure.
 *
 * @throws {JobError} usage: when the arguments are not valid.
 */
export function parsePlan(argv: readonly string[]): PlanCommand | Text {
  const given = parseCommand(PLAN, withPartNames(argv));
  if (typeof given === 'string') return { kind: 'text', text: given };
  const { options: parsed } = given;
  const names = [...given.words, ...given.after];
  const [input = '', output] = names;
  if (names.length === 0 || names.length > 2 || input === '' || output === '') {
    throw usage(
      `plan takes an INPUT and perhaps an OUTPUT (got ${names.length === 0 ? 'nothing' : names.join(' ')})`,
    );
  }
  const other = NOT_PLANNED.find((name) => parsed[name] !== undefined);
  if (other !== undefined) throw usage(`a plan is for one video: --${other} does not apply`);
  const job = singleJob(parsed, input, output ?? (parsed.format === undefined ? 'output.mp4' : 'output'));
  const vm = vmOf(parsed['vm-size']);
  const ranksPerNode = whole('ranks-per-node', parsed['ranks-per-node'], 1, MOST_RANKS_PER_NODE);
  if (vm !== undefined && ranksPerNode !== undefined)
    throw usage('--ranks-per-node does not go with --vm-size, which has a rank for each GPU');
  const options: PlanOptions = {
    job,
    hasOutput: output !== undefined,
    nodes: nodesOf(parsed.nodes),
    ranksPerNode: ranksPerNode ?? 1,
    vm,
    network: inRange('network', parsed.network, 0.001, 10_000) * GIGABIT,
    json: parsed.json,
  };
  return { kind: 'plan', options };
}

function nodesOf(text: string): readonly number[] {
  const numbers = text.split(',').map((one) => (/^\s*\d{1,5}\s*$/.test(one) ? Number(one) : 0));
  if (numbers.some((one) => one < 1 || one > MOST_NODES))
    throw usage(`--nodes takes numbers from 1 to ${MOST_NODES} with commas, not ${JSON.stringify(text)}`);
  const sorted = [...new Set(numbers)].sort((a, b) => a - b);
  if (sorted.length > MOST_ROWS) throw usage(`--nodes takes at most ${MOST_ROWS} numbers`);
  return sorted;
}

function vmOf(name: string | undefined): GpuNode | undefined {
  if (name === undefined) return undefined;
  const size = gpuSize(name);
  if (size !== undefined && isKnown(size.gpu)) return { ...size, gpu: size.gpu };
  const names = GPU_SIZES.map((one) => one.name);
  throw usage(
    `--vm-size takes a size with GPUs, such as ${names[0]}, not ${JSON.stringify(name)}${didYouMean(name, names)}`,
  );
}

function isKnown(gpu: string): gpu is GpuName {
  return Object.hasOwn(GPU_PEAKS, gpu);
}
