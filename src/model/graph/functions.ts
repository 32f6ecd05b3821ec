import { JobError } from '../../system/errors.js';
import { type GraphProto, type ModelProto, type NodeProto, toNumber, walkGraphs } from './onnx.js';

type FunctionProto = ModelProto['functions'][number];

const INLINE = 'inline its functions (onnx.inliner.inline_local_functions)';

/**
 * Refuses local functions whose meaning would change when the model is written again: this program's ONNX
 * schema lacks two of their fields, and drops them.
 *
 * @throws {JobError} model: when there is such a function; the message names it.
 */
export function refuseDroppedFields(model: ModelProto, path: string): void {
  const names = model.functions.map(nameOf);
  // From IR version 10 on, the field `overload` distinguishes such functions.
  if (toNumber(model.irVersion) >= 10 && new Set(names).size !== names.length) {
    throw new JobError('model', `"${path}" has several functions with one name, which is not supported`, {
      hint: INLINE,
    });
  }
  // From IR version 9 on, only `attribute_proto` lists attributes with a default.
  const defaulted = new Map(model.functions.map((one) => [nameOf(one), defaultedBy(one)]));
  const bodies: readonly GraphProto[] = [model.graph ?? {}, ...model.functions.map(bodyOf)];
  for (const node of bodies.flatMap(nodesIn)) {
    const missing = defaulted.get(nameOf({ domain: node.domain, name: node.opType }));
    const given = (node.attribute ?? []).filter((one) => !one.refAttrName).map((one) => one.name);
    const left = missing?.find((name) => !given.includes(name));
    if (left === undefined) continue;
    throw new JobError(
      'model',
      `"${path}" calls its function ${node.opType} without "${left}", whose default value is not supported`,
      { hint: INLINE },
    );
  }
}

type Name = { readonly [P in 'domain' | 'name']?: string | null | undefined };

function nameOf({ domain, name }: Name): string {
  return `${domain ?? ''}/${name ?? ''}`;
}

/**
 * Returns the attributes with a default: those that a function's body reads and that `attribute` does not
 * list.
 */
function defaultedBy(one: FunctionProto): readonly string[] {
  const read = nodesIn(bodyOf(one)).flatMap((node) =>
    (node.attribute ?? []).map(({ refAttrName }) => refAttrName ?? ''),
  );
  return read.filter((name) => name !== '' && !one.attribute?.includes(name));
}

function bodyOf(one: FunctionProto): GraphProto {
  return { node: one.node ?? [] };
}

function nodesIn(graph: GraphProto): readonly NodeProto[] {
  const nodes: NodeProto[] = [];
  // One by one: 125,000 nodes as arguments of one call overflow the stack.
  walkGraphs(graph, (inner) => {
    for (const node of inner.node ?? []) nodes.push(node);
  });
  return nodes;
}
