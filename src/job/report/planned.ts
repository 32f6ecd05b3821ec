/** What was planned for a job, and what it cost. */
import * as fs from 'node:fs/promises';
import { JobError, messageOf } from '../../system/errors.js';
import { isPlainObject } from '../../system/plain-object.js';

/** The ranks of a job, as a plan's rows name them. */
export interface PlannedRanks {
  readonly nodes: number;
  readonly ranks: number;
  readonly split: 'frames' | 'segments';
}

/** A row of a plan that predicts something. */
export type PlannedSpeed = PlannedRanks & {
  /** Of the pipeline. */
  readonly framesPerSecond: number;
  /** Of the whole job. */
  readonly seconds: number;
};

/** What a job reads of a plan. */
export interface PlanFile {
  readonly path: string;
  /** Bytes of the video, and SHA-256 of the model, that were planned. */
  readonly bytes: number;
  readonly model: string;
  readonly rows: readonly PlannedSpeed[];
}

/** What was planned for a job; or why nothing was. */
export type Planned =
  | { readonly file: string; readonly framesPerSecond: number; readonly seconds: number }
  | { readonly file: string; readonly lacking: string };

/** The cost of a run, in the currency of its price. */
export interface Cost {
  readonly nodes: number;
  /** Of a node for an hour. */
  readonly price: number;
  readonly amount: number;
}

/** The largest plan that is read. */
const MOST_BYTES = 2 ** 24;

/**
 * Reads a plan that `plan --json` has printed into a file.
 *
 * @throws {JobError} input: when it is none.
 */
export async function readPlan(path: string): Promise<PlanFile> {
  const text = await textOf(path).catch((error: unknown) => {
    throw new JobError('input', `the plan ${path} cannot be read: ${messageOf(error)}`);
  });
  const plan = parsePlanFile(path, text);
  if (plan !== undefined) return plan;
  throw new JobError('input', `${path} is not a plan`, {
    hint: 'make one: framescatter plan INPUT [options of the job] --json > plan.json',
  });
}

async function textOf(path: string): Promise<string> {
  const stats = await fs.stat(path);
  if (!stats.isFile()) throw new Error('it is not a file');
  if (stats.size > MOST_BYTES) throw new Error(`it has ${stats.size} bytes`);
  return fs.readFile(path, 'utf8');
}

/** Returns the plan in a text; undefined if there is none. Pure. */
export function parsePlanFile(path: string, text: string): PlanFile | undefined {
  const plan = objectIn(text);
  const { input, model, rows } = plan ?? {};
  if (plan?.plan !== 1 || !isPlainObject(input) || !isPlainObject(model) || !Array.isArray(rows))
    return undefined;
  if (typeof input.bytes !== 'number' || typeof model.sha256 !== 'string') return undefined;
  return { path, bytes: input.bytes, model: model.sha256, rows: rows.filter(isPlannedSpeed) };
}

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isPlainObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isPlannedSpeed(row: unknown): row is PlannedSpeed {
  if (!isPlainObject(row)) return false;
  const { nodes, ranks, split, framesPerSecond, seconds } = row;
  const numbers = [nodes, ranks, framesPerSecond, seconds];
  const areSpeeds = numbers.every((one) => typeof one === 'number' && Number.isFinite(one) && one > 0);
  return areSpeeds && (split === 'frames' || split === 'segments');
}

/** Returns what a plan says of a job of this video and model on these ranks. */
export function plannedFor(
  plan: PlanFile,
  job: { readonly bytes: number; readonly model: string; readonly ranks: PlannedRanks },
): Planned {
  const { path: file } = plan;
  if (plan.bytes !== job.bytes) return { file, lacking: 'it is a plan of another video' };
  if (plan.model !== job.model) return { file, lacking: 'it is a plan of another model' };
  const { nodes, ranks, split } = job.ranks;
  const row = plan.rows.find((one) => one.nodes === nodes && one.ranks === ranks && one.split === split);
  if (row === undefined) return { file, lacking: `it has no row for ${ranksText(job.ranks)}` };
  return { file, framesPerSecond: row.framesPerSecond, seconds: row.seconds };
}

function ranksText({ nodes, ranks, split }: PlannedRanks): string {
  const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
  return `${counted(ranks, 'rank')} on ${counted(nodes, 'node')}, split into ${split}`;
}
