import { JobError } from '../../system/errors.js';
import { dimsOf, float32Tensor, float32Values, type GraphProto, type TensorProto } from '../graph/onnx.js';
import type { Canvas } from './canvas.js';
import type { StyleEntry, StylesManifest } from './manifest.js';
import { checkedDigest, readLimited, resolveInside } from './model-files.js';

/** A style of a blend. The weights of a blend sum to 1. */
export interface WeightedStyle {
  readonly name: string;
  readonly weight: number;
}

/**
 * Parses `wave` or `wave:0.6,starry-night:0.4`. A style without a weight has weight 1; weights are divided by
 * their sum.
 *
 * @throws {JobError} model: when `spec` has another form.
 */
export function parseStyles(spec: string): readonly WeightedStyle[] {
  const styles = spec.split(',').map((part): WeightedStyle => {
    const [name = '', weight, ...rest] = part.split(':').map((one) => one.trim());
    const value = weight === undefined ? 1 : Number(weight === '' ? Number.NaN : weight);
    if (name === '' || rest.length > 0 || !Number.isFinite(value) || value < 0) {
      throw new JobError(
        'model',
        `"${spec}" is not a model: "${part}" is neither a style nor a style with a weight`,
        {
          hint: 'examples: wave, or wave:0.6,starry-night:0.4',
        },
      );
    }
    return { name, weight: value };
  });
  const twice = styles.find((style, at) => styles.findIndex((other) => other.name === style.name) !== at);
  if (twice !== undefined) throw new JobError('model', `"${spec}" names the style "${twice.name}" twice`);
  const sum = styles.reduce((total, style) => total + style.weight, 0);
  if (sum === 0) throw new JobError('model', `the weights in "${spec}" sum to 0`);
  return styles.map(({ name, weight }) => ({ name, weight: weight / sum }));
}

/**
 * Returns the vector and the canvas of a blend: the weighted means of its styles' own. `digests` are those of
 * the vectors' files.
 */
export async function blendVectors(
  manifest: StylesManifest,
  path: string,
  styles: readonly WeightedStyle[],
): Promise<{
  readonly vector: Float32Array;
  readonly canvas: Canvas | undefined;
  readonly digests: readonly string[];
}> {
  const length = manifest.norms.reduce((sum, norm) => sum + 2 * norm.channels, 0);
  const sum = new Float64Array(length);
  const digests: string[] = [];
  let strength = 0;
  for (const { name, weight } of styles) {
    const entry = manifest.styles.find((style) => style.name === name);
    if (entry === undefined) throw new JobError('model', `the manifest "${path}" has no style "${name}"`);
    const { values, sha256 } = await readVector(path, entry, length);
    digests.push(sha256);
    strength += weight * (entry.canvas ?? manifest.canvas?.strength ?? 0);
    for (const [at, value] of values.entries()) sum[at] = (sum[at] ?? 0) + weight * value;
  }
  const canvas = manifest.canvas && { ...manifest.canvas, strength };
  return { vector: Float32Array.from(sum), canvas, digests };
}

async function readVector(manifest: string, entry: StyleEntry, length: number) {
  const path = await resolveInside(manifest, entry.vector);
  const bytes = await readLimited(path, 2 ** 24);
  const sha256 = checkedDigest(bytes, entry.sha256, path);
  if (bytes.length !== 4 * length) {
    throw new JobError(
      'model',
      `the style vector "${path}" has ${bytes.length} bytes; its network needs ${4 * length}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const values = Array.from({ length }, (_, at) => view.getFloat32(4 * at, true));
  if (!values.every(Number.isFinite))
    throw new JobError('model', `the style vector "${path}" contains numbers that are not finite`);
  return { values, sha256 };
}

/**
 * Returns the network with a style vector in its instance norms: for each norm its scales, then its shifts.
 *
 * @throws {JobError} model: when the graph lacks a norm that the manifest lists.
 */
export function withStyle(
  graph: GraphProto,
  manifest: StylesManifest,
  vector: Float32Array,
  file: string,
): GraphProto {
  const replaced = new Map<string, TensorProto>();
  let from = 0;
  for (const { scale, shift, channels } of manifest.norms) {
    for (const name of [scale, shift]) {
      const found = graph.initializer?.find((one) => one.name === name);
      const fits =
        found !== undefined && float32Values(found) !== undefined && dimsOf(found).join() === `${channels}`;
      if (!fits)
        throw new JobError(
          'model',
          `"${file}" has no float32 initializer "${name}" of ${channels} numbers, which its manifest lists`,
        );
      replaced.set(name, float32Tensor(name, [channels], vector.subarray(from, from + channels)));
      from += channels;
    }
  }
  return {
    ...graph,
    initializer: (graph.initializer ?? []).map((one) => replaced.get(one.name ?? '') ?? one),
  };
}
