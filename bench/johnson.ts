import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { onnx as types } from 'onnx-proto';
import { floats, integers, modelBytes, node } from '../test/fixtures/onnx.js';
import { randomNumbers } from '../test/fixtures/random.js';

/**
 * Writes a network with the layers of the reference architecture's (Johnson et al. 2016, "Perceptual Losses
 * for Real-Time Style Transfer": 9x9 convolutions at both ends, two strides of 2, five residual blocks of 128
 * channels, instance norm; 154,000 MACs/pixel) and random weights, which do not affect its speed. RGB in and
 * out, 0..255. Returns the path of the ONNX file, which has no manifest.
 */
export async function johnsonModel(folder: string): Promise<string> {
  const random = randomNumbers(16);
  const nodes: types.INodeProto[] = [];
  const initializers: types.ITensorProto[] = [floats('twice', [4], [1, 1, 2, 2])];
  let count = 0;
  const add = (type: string, inputs: readonly string[], attributes: Parameters<typeof node>[3] = {}) => {
    const output = `x${count++}`;
    nodes.push(node(type, inputs, output, attributes));
    return output;
  };
  const constant = (name: string, size: number, value: number) => {
    initializers.push(floats(name, [size], Array<number>(size).fill(value)));
    return name;
  };

  const conv = (x: string, from: number, to: number, side: number, stride = 1) => {
    const name = `conv${count}`;
    const pad = (side - 1) / 2;
    const scale = Math.sqrt(6 / (from * side * side));
    const weights = Array.from({ length: to * from * side * side }, () => (2 * random() - 1) * scale);
    initializers.push(floats(`${name}.weight`, [to, from, side, side], weights));
    initializers.push(integers(`${name}.pads`, [0, 0, pad, pad, 0, 0, pad, pad]));
    const padded = add('Pad', [x, `${name}.pads`], { mode: 'reflect' });
    const bias = constant(`${name}.bias`, to, 0);
    return add('Conv', [padded, `${name}.weight`, bias], {
      kernel_shape: [side, side],
      strides: [stride, stride],
    });
  };
  const norm = (x: string, channels: number) => {
    const name = `norm${count}`;
    return add('InstanceNormalization', [
      x,
      constant(`${name}.scale`, channels, 1),
      constant(`${name}.shift`, channels, 0),
    ]);
  };
  const layer = (...[x, from, to, side, stride]: Parameters<typeof conv>) =>
    add('Relu', [norm(conv(x, from, to, side, stride), to)]);
  const residual = (x: string) => add('Add', [x, norm(conv(layer(x, 128, 128, 3), 128, 128, 3), 128)]);
  const upsample = (x: string) =>
    add('Resize', [x, '', 'twice'], { mode: 'nearest', coordinate_transformation_mode: 'asymmetric' });

  let x = layer('input', 3, 32, 9);
  x = layer(layer(x, 32, 64, 3, 2), 64, 128, 3, 2);
  for (let block = 0; block < 5; block += 1) x = residual(x);
  x = layer(upsample(x), 128, 64, 3);
  x = layer(upsample(x), 64, 32, 3);
  nodes.push(node('Identity', [conv(x, 32, 3, 9)], 'output'));

  const end = { dims: ['N', 3, 'H', 'W'] } as const;
  const file = join(folder, 'johnson.onnx');
  await writeFile(file, modelBytes({ nodes, initializers, input: end, output: end }));
  return file;
}
