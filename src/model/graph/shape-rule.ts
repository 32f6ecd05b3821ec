import type { NodeProto } from './onnx.js';

/** What is known of a value before anything runs. */
export interface Known {
  readonly dims: readonly number[];
  /** The numbers themselves, of small constants and of what is computed from shapes. */
  readonly values?: readonly number[];
  /** Whether the numbers are integers: division then cuts. */
  readonly integer?: boolean;
}

export interface ShapeContext {
  readonly node: NodeProto;
  readonly opset: number;
  readonly inputs: readonly (Known | undefined)[];
}

/** The outputs of a node, in order; undefined where a size cannot be known. */
export type ShapeRule = (context: ShapeContext) => readonly (Known | undefined)[] | undefined;
