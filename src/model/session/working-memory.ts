import { decodeModel } from '../graph/onnx.js';
import { type ExecutionPlan, executionPlan, type Step } from './execution-plan.js';

/** A piece of memory that tensors share in turn, used from one step to another, both included. */
interface Slot {
  readonly bytes: number;
  readonly from: number;
  to: number;
}

/** As in native/system/block_pool.cc: smaller blocks are not kept; larger ones are whole pages. */
const LARGE_BLOCK = 256 * 1024;
const PAGE = 4096;

/**
 * Returns the memory, in bytes, that one run of a graph takes on a CPU in addition to its input and output:
 * what the addon's pool (native/system/block_pool.cc) has mapped in the end, and tensors that are made once
 * for all runs. It follows ONNX Runtime's memory plan tensor by tensor. Weights are not counted.
 *
 * @param bytes a composed graph in float32, whose shapes are all static.
 * @param channelBlock see `executionPlan`.
 * @returns undefined if the size of some tensor is unknown.
 */
export function workingMemory(bytes: Uint8Array, channelBlock: number): number | undefined {
  const plan = executionPlan(decodeModel(bytes), channelBlock);
  return plan && mapped(plan.steps, slots(plan)) + plan.heldBytes;
}

/**
 * Returns the slots: an operator overwrites an input that nothing else reads, or reuses a free slot of its
 * kind.
 */
function slots({ steps, result }: ExecutionPlan): readonly Slot[] {
  const last = new Map<string, number>();
  const readers = new Map<string, number>();
  for (const [at, { reads }] of steps.entries()) {
    for (const name of reads) {
      last.set(name, at);
      readers.set(name, (readers.get(name) ?? 0) + 1);
    }
  }
  const all: Slot[] = [];
  const of = new Map<string, Slot>();
  const kinds = new Map(steps.map(({ makes, kind }) => [makes, kind]));
  const free = new Map<string, Slot[]>();

  function slotFor({ reads, kind, bytes, inPlace }: Step, at: number): Slot {
    const over = reads.find((name) => kinds.get(name) === kind && readers.get(name) === 1 && of.has(name));
    const taken = inPlace && over !== undefined ? of.get(over) : undefined;
    if (taken !== undefined) {
      if (over !== undefined) of.delete(over);
      return taken;
    }
    const reused = free.get(kind)?.pop();
    if (reused !== undefined) return reused;
    const slot = { bytes, from: at, to: at };
    all.push(slot);
    return slot;
  }

  for (const [at, step] of steps.entries()) {
    if (step.makes !== result) {
      const slot = slotFor(step, at);
      slot.to = Math.max(slot.to, last.get(step.makes) ?? at);
      of.set(step.makes, slot);
    }
    for (const name of new Set([...step.reads, step.makes])) {
      const slot = of.get(name);
      if (slot === undefined || (last.get(name) ?? at) > at) continue;
      of.delete(name);
      const kind = kinds.get(name) ?? '';
      const others = free.get(kind);
      if (others === undefined) free.set(kind, [slot]);
      else others.push(slot);
    }
  }
  return all;
}

/**
 * Returns the bytes that the pool maps. It reuses a block for more than half of its size only, and frees
 * none.
 */
function mapped(steps: readonly Step[], all: readonly Slot[]): number {
  const unused: number[] = [];
  let total = 0;

  function take(bytes: number): number {
    if (bytes < LARGE_BLOCK) return 0;
    const place = unused.findIndex((block) => block >= bytes);
    const fits = place >= 0 && (unused[place] ?? 0) / 2 < bytes;
    if (fits) return unused.splice(place, 1)[0] ?? 0;
    const block = Math.ceil(bytes / PAGE) * PAGE;
    total += block;
    return block;
  }

  function give(block: number): void {
    if (block === 0) return;
    unused.push(block);
    unused.sort((a, b) => a - b);
  }

  const [begun, ended] = [by(all, 'from'), by(all, 'to')];
  const held = new Map<Slot, number>();
  for (const [at, { scratch }] of steps.entries()) {
    for (const slot of begun.get(at) ?? []) held.set(slot, take(slot.bytes));
    give(take(scratch));
    for (const slot of ended.get(at) ?? []) give(held.get(slot) ?? 0);
  }
  return total;
}

function by(all: readonly Slot[], end: 'from' | 'to'): ReadonlyMap<number, readonly Slot[]> {
  const found = new Map<number, Slot[]>();
  for (const slot of all) {
    const others = found.get(slot[end]);
    if (others === undefined) found.set(slot[end], [slot]);
    else others.push(slot);
  }
  return found;
}
