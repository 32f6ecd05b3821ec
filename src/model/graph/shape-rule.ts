import type { NodeProto } from './onnx.js';

/** Most elements of tensors whose values are followed: shapes, scales, paddings. */
export const MOST_FOLLOWED = 64;

/** The shape of a value, and its values if known before a run. */
export interface Known {
  readonly dims: readonly number[];
  /** The values of small constants and of results computed from shapes. */
  readonly values?: readonly number[];
  /** True if the values are integers: then division truncates. */
  readonly integer?: boolean;
}

export interface ShapeContext {
  readonly node: NodeProto;
  readonly opset: number;
  readonly inputs: readonly (Known | undefined)[];
}

/** Returns the outputs of a node, in order; undefined if a size is unknown. */
export type ShapeRule = (context: ShapeContext) => readonly (Known | undefined)[] | undefined;
