import type { GraphProto, NodeProto, TensorProto, ValueInfoProto } from './onnx.js';

const MODEL_PREFIX = 'model/';

/**
 * The network's nodes and initializers with `model/` before every name, so that they meet no other's; `input` is read
 * from the tensor `feed` instead. Shapes that the file states are left behind: they may hold for other sizes. The
 * original is not touched.
 */
export function inlineGraph(graph: GraphProto, input: string, feed: string): GraphProto {
  return renameGraph(graph, (name) => (name === input ? feed : prefixed(name)));
}

/** What a value of the network is called once inlined. An empty name stays: it stands for an input left out. */
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

/** The fields that are set: protobufjs keeps the defaults of the others on the prototype. */
function own<T extends object>(message: T): T {
  return { ...message };
}
