import type { GraphProto, NodeProto, TensorProto, ValueInfoProto } from './onnx.js';

const MODEL_PREFIX = 'model/';

/**
 * Returns the network's nodes and initializers with the prefix `model/` on every name, so that none collides;
 * they read the tensors `feeds` in place of inputs. Drops the shapes in the file, which may be for other
 * sizes. The original is not modified.
 */
export function inlineGraph(graph: GraphProto, feeds: ReadonlyMap<string, string>): GraphProto {
  return renameGraph(graph, (name) => feeds.get(name) ?? prefixed(name));
}

/** Returns the name of a network's value once inlined. An empty name, that of an omitted input, stays. */
export function prefixed(name: string): string {
  return name === '' ? '' : MODEL_PREFIX + name;
}

type Rename = (name: string) => string;

function renameGraph(graph: GraphProto, rename: Rename): GraphProto {
  const tensor = (one: TensorProto): TensorProto => ({ ...own(one), name: rename(one.name ?? '') });
  const value = (one: ValueInfoProto): ValueInfoProto => ({ ...own(one), name: rename(one.name ?? '') });
  return {
    name: graph.name ?? '',
    node: (graph.node ?? []).map((node) => renameNode(node, rename)),
    initializer: (graph.initializer ?? []).map(tensor),
    sparseInitializer: (graph.sparseInitializer ?? []).map((one) =>
      one.values ? { ...own(one), values: tensor(one.values) } : own(one),
    ),
    input: (graph.input ?? []).map(value),
    output: (graph.output ?? []).map(value),
    valueInfo: [],
    quantizationAnnotation: (graph.quantizationAnnotation ?? []).map((one) => ({
      tensorName: rename(one.tensorName ?? ''),
      quantParameterTensorNames: (one.quantParameterTensorNames ?? []).map((entry) => ({
        key: entry.key ?? '',
        value: rename(entry.value ?? ''),
      })),
    })),
  };
}

function renameNode(node: NodeProto, rename: Rename): NodeProto {
  return {
    ...own(node),
    name: prefixed(node.name ?? ''),
    input: (node.input ?? []).map(rename),
    output: (node.output ?? []).map(rename),
    attribute: (node.attribute ?? []).map((one) => ({
      ...own(one),
      ...(one.g ? { g: renameGraph(one.g, rename) } : {}),
      ...(one.graphs && one.graphs.length > 0
        ? { graphs: one.graphs.map((inner) => renameGraph(inner, rename)) }
        : {}),
    })),
  };
}

/** Returns the fields that are set: protobufjs keeps the defaults of the others on the prototype. */
function own<T extends object>(message: T): T {
  return { ...message };
}
