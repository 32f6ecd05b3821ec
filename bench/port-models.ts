/** Networks with other ends than one picture in and out, with random weights, which do not affect speed. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { onnx as types } from 'onnx-proto';
import { floats, modelBytes, node } from '../test/fixtures/onnx.js';
import { randomNumbers } from '../test/fixtures/random.js';

/** Frames that the window's network looks at. */
export const WINDOW = 5;
/** Classes of the classifier, and the rows that it gives a frame. */
export const CLASSES = 1000;
export const TOP = 5;
/** Width and height of the images that the classifier takes. */
export const SIDE = 224;

/**
 * Writes a network that looks at five frames as one image of 15 channels, as FastDVDnet does: 61,000
 * MACs/pixel, most of them at half the size. RGB in and out, 0..1. Returns the path of the ONNX file.
 */
export async function windowModel(folder: string): Promise<string> {
  const { conv, add, graph } = layers(5);
  let x = conv('x', 3 * WINDOW, 48, 3);
  x = conv(x, 48, 96, 3, 2);
  x = conv(conv(x, 96, 96, 3), 96, 96, 3);
  add('DepthToSpace', [conv(x, 96, 12, 3)], { blocksize: 2 }, 'y');
  const picture = { channels: 'rgb', range: '0..1' };
  const window = { before: (WINDOW - 1) / 2, after: (WINDOW - 1) / 2, stack: 'channels' };
  return written(
    folder,
    'window',
    modelBytes({
      ...graph,
      input: { name: 'x', dims: ['N', 3 * WINDOW, 'H', 'W'] },
      output: { name: 'y', dims: ['N', 3, 'H', 'W'] },
    }),
    {
      ...{ scale: 1, multiple: 2 },
      inputs: { x: { role: 'frames', ...picture, window } },
      outputs: { y: { role: 'picture', ...picture } },
    },
  );
}

/**
 * Writes a classifier of images of 224x224 pixels: four convolutions with strides of 2, the mean of all
 * places, and a product with 1000 classes; 0.8 thousand million MACs a frame, between MobileNet and
 * ResNet-18. Its table has the best five classes of each frame. Returns the path of the ONNX file.
 */
export async function classifier(folder: string): Promise<string> {
  const { conv, add, weights, graph } = layers(1000);
  let x = conv('x', 3, 64, 7, 2);
  x = conv(x, 64, 128, 3, 2);
  x = conv(x, 128, 256, 3, 2);
  x = conv(x, 256, 512, 3, 2);
  x = add('Flatten', [add('GlobalAveragePool', [x])], { axis: 1 });
  add('Gemm', [x, weights([512, CLASSES], 512)], {}, 'scores');
  const range = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
  return written(
    folder,
    'classifier',
    modelBytes({
      ...graph,
      input: { name: 'x', dims: ['N', 3, SIDE, SIDE] },
      output: { name: 'scores', dims: ['N', CLASSES] },
    }),
    {
      inputs: { x: { role: 'frames', channels: 'rgb', range, fit: 'stretch' } },
      outputs: { scores: { role: 'table', decode: { kind: 'classes', activation: 'softmax', top: TOP } } },
    },
  );
}

/** Collects the layers of a network. */
function layers(seed: number) {
  const random = randomNumbers(seed);
  const nodes: types.INodeProto[] = [];
  const initializers: types.ITensorProto[] = [];

  function add(
    type: string,
    inputs: readonly string[],
    attributes: Parameters<typeof node>[3] = {},
    output = `x${nodes.length}`,
  ): string {
    nodes.push(node(type, inputs, output, attributes));
    return output;
  }

  /** Adds weights of this shape for sums of `terms` numbers. */
  function weights(dims: readonly number[], terms: number): string {
    const name = `weight${initializers.length}`;
    const count = dims.reduce((all, size) => all * size, 1);
    const scale = Math.sqrt(6 / terms);
    initializers.push(
      floats(
        name,
        dims,
        Array.from({ length: count }, () => (2 * random() - 1) * scale),
      ),
    );
    return name;
  }

  /** Adds a convolution that keeps the size, or divides it by its stride, and a ReLU. */
  function conv(x: string, from: number, to: number, side: number, stride = 1): string {
    const pad = (side - 1) / 2;
    const kernel = weights([to, from, side, side], from * side * side);
    const attributes = { kernel_shape: [side, side], strides: [stride, stride], pads: [pad, pad, pad, pad] };
    return add('Relu', [add('Conv', [x, kernel], attributes)]);
  }

  return { add, weights, conv, graph: { nodes, initializers } };
}

async function written(
  folder: string,
  name: string,
  bytes: Uint8Array,
  ends: Readonly<Record<string, unknown>>,
): Promise<string> {
  const file = join(folder, `${name}.onnx`);
  await writeFile(file, bytes);
  const manifest = { format: 2, name, file: `${name}.onnx`, ...ends };
  await writeFile(join(folder, `${name}.json`), JSON.stringify(manifest));
  return file;
}
