import { thisMachine } from '../../job/context/machine.js';
import { type Plan, type PlanRow, planJob } from '../../job/plan/plan.js';
import type { PlanOptions } from '../../job/plan/plan-options.js';
import type { PlanLimit, StageCost } from '../../job/plan/predict.js';
import { memorySize } from '../../job/prepare/memory-limit.js';
import { modelReader } from '../../job/prepare/model-reader.js';
import { LIMIT_NAMES } from '../../job/report/limits.js';
import { bytesText, counted, money, speedText } from '../../job/report/summary.js';
import { createLog } from '../../report/log.js';
import { printable, printableJson } from '../../report/printable.js';
import { clock } from '../../report/progress.js';
import { modelsFolder } from '../../system/package.js';
import { openScratch } from '../../system/scratch.js';
import { watchForStop } from '../../system/stop.js';

/** Prints the plan of a job, as a table or as JSON. */
export async function planCommand(options: PlanOptions, version: string): Promise<number> {
  const { job, json } = options;
  const log = createLog(job.logFormat, job.verbosity);
  await using scratch = openScratch();
  using stop = watchForStop(() => {});
  const storage = { log, scratch, stopped: stop.aborted };
  const readModel = modelReader(job, modelsFolder(), storage);
  const plan = await planJob(options, { storage, machine: thisMachine(), version, readModel });
  const text = json
    ? printableJson(plan, 2)
    : planLines(plan)
        .map((line) => printable(line))
        .join('\n');
  process.stdout.write(`${text}\n`);
  return 0;
}

const LIMITS: Readonly<Record<PlanLimit, string>> = {
  decode: LIMIT_NAMES.decode,
  infer: LIMIT_NAMES.infer,
  encode: LIMIT_NAMES.encode,
  cores: 'cores',
  transport: 'transport',
};

/** Returns a plan as lines of text. Pure. */
export function planLines(plan: Plan): readonly string[] {
  const { input, model, nodes, measured, rows } = plan;
  const size = model.size === undefined ? '' : ` (${model.size})`;
  const isMeasured = nodes.kind === 'measured';
  const best = rows.find((row) => 'best' in row && row.best);
  return [
    `${input.path}: ${input.width}x${input.height} ${input.codec}, ${plan.frames} frames, through ${model.name}${size}`,
    `a node: ${nodes.name}, ${counted(measured.cores, 'core')}; inference by ${plan.provider} in ${plan.precision}`,
    `${isMeasured ? 'each stage alone' : 'at most, not measured'}: ${stagesText(plan)}`,
    ...(plan.videoBytes > 0 ? [`the video will have about ${bytesText(plan.videoBytes)}`] : []),
    '',
    ...tableOf(rows, plan.price !== undefined),
    '',
    ...rows.flatMap((row) =>
      'refused' in row ? [`${counted(row.ranks, 'rank')}, ${row.split}: ${row.refused}`] : [],
    ),
    ...(best === undefined
      ? []
      : ['* the fastest that takes at most a quarter more node hours than the cheapest']),
    ...plan.notes,
  ];
}

function stagesText({ measured: { decode, infer, encode } }: Plan): string {
  const stage = (name: string, { framesPerSecond, coreSeconds }: StageCost): string =>
    `${name} ${speedText(framesPerSecond)} (${(1000 * coreSeconds).toFixed(1)} ms of a core per frame)`;
  return [
    stage('decoding', decode),
    stage('inference', infer),
    ...(encode === undefined ? [] : [stage('encoding', encode)]),
  ].join(', ');
}

const HEADINGS = ['', 'nodes', 'ranks', 'split', 'fps', 'time', 'limit', 'rank 0', 'others', 'network'];

function tableOf(rows: readonly PlanRow[], priced: boolean): readonly string[] {
  const heading = [...HEADINGS, ...(priced ? ['cost'] : [])];
  const cells = rows.flatMap((row) => ('refused' in row ? [] : [cellsOf(row, priced)]));
  const widths = heading.map((text, at) =>
    Math.max(text.length, ...cells.map((row) => row[at]?.length ?? 0)),
  );
  return [heading, ...cells].map((row) =>
    row
      .map((text, at) => text.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function cellsOf(row: Exclude<PlanRow, { readonly refused: string }>, priced: boolean): readonly string[] {
  const { memory, cost } = row;
  return [
    row.best ? '*' : '',
    ...[String(row.nodes), String(row.ranks), row.split],
    ...[row.framesPerSecond.toFixed(row.framesPerSecond < 10 ? 2 : 1), clock(row.seconds)],
    LIMITS[row.limit],
    memory === undefined ? '-' : memorySize(memory.root),
    memory?.other === undefined ? '-' : memorySize(memory.other),
    bytesText(row.networkBytes),
    ...(priced ? [cost === undefined ? '-' : money(cost)] : []),
  ];
}
