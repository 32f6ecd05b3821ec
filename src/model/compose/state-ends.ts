/** The states of a network as inputs and outputs of the composed graph. */
import type { GraphBuilder } from '../graph/graph-builder.js';
import { prefixed } from '../graph/inline.js';
import { DataType, elements } from '../graph/onnx.js';
import type { Shapes } from '../graph/shapes.js';
import type { Recurrence, State } from '../ports/state.js';
import type { SampleTensor } from './i420-ends.js';

/**
 * True if the states begin anew: bool [], so that states of 0 dimensions stay so; of several frames, bool
 * [batch].
 */
export const RESET_INPUT = 'reset';

/** A tensor that goes into the composed graph and comes out of it. */
export interface StateTensor {
  readonly input: string;
  readonly output: string;
  readonly type: 'float32' | SampleTensor;
  readonly dims: readonly number[];
}

/** Adds the choice between a state and its first value. Returns it by the names of the network's inputs. */
export function enterStates(
  builder: GraphBuilder,
  recurrence: Recurrence | undefined,
): ReadonlyMap<string, string> {
  const states = recurrence?.states ?? [];
  return new Map(
    states.map(({ input, initial: { type, value } }, at) => {
      const first = `first_${at}`;
      const dims = value.kind === 'tensor' ? [...value.dims] : [];
      builder.include({
        initializer: [{ name: first, dataType: DataType[type], dims, rawData: value.data }],
      });
      const before = builder.cast(inputName(at), type === 'float16' ? 'float16' : 'float32');
      return [input, builder.node('Where', [RESET_INPUT, first, before])];
    }),
  );
}

/** Adds the outputs of the states. `shapes` are those of the network. */
export function leaveStates(
  builder: GraphBuilder,
  recurrence: Recurrence | undefined,
  shapes: Shapes,
): readonly StateTensor[] {
  const states: readonly State[] = recurrence?.states ?? [];
  return states.map(({ input, output }, at) => {
    const name = `next_${at}`;
    builder.nameOutput(builder.cast(prefixed(output), 'float32'), name);
    return { input: inputName(at), output: name, type: 'float32', dims: shapes.of(input)?.dims ?? [] };
  });
}

const ELEMENT_BYTES: Readonly<Record<StateTensor['type'], number>> = { uint8: 1, uint16: 2, float32: 4 };

/** Returns the bytes of a state. */
export function stateBytes({ type, dims }: StateTensor): number {
  return elements(dims) * ELEMENT_BYTES[type];
}

function inputName(at: number): string {
  return `state_${at}`;
}
