import { createHash } from 'node:crypto';
import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { JobError, messageOf } from '../../system/errors.js';
import { refuseDroppedFields } from '../graph/functions.js';
import {
  decodeModel,
  EXTERNAL,
  type ModelProto,
  opsetOf,
  type TensorProto,
  walkGraphs,
} from '../graph/onnx.js';
import { type Manifest, parseManifest } from './manifest.js';

const GIB = 2 ** 30;
/** Size limit of manifests, which are a few kilobytes. */
const MAX_MANIFEST_BYTES = 2 ** 20;
/** The oldest default operator set that ONNX Runtime supports. */
const LEAST_OPSET = 7;

/** Returns the size limit of ONNX files, in bytes: FRAMESCATTER_MAX_MODEL_BYTES, or 1 GiB. */
export function modelBytesLimit(environment: NodeJS.ProcessEnv): number {
  const text = environment.FRAMESCATTER_MAX_MODEL_BYTES;
  if (text === undefined || text === '') return GIB;
  const bytes = Number(text);
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new JobError('usage', `FRAMESCATTER_MAX_MODEL_BYTES is "${text}"; it must be a number of bytes`);
}

const RAISE_LIMIT = 'set FRAMESCATTER_MAX_MODEL_BYTES to allow larger models';

/**
 * Reads a file of a model. `hint` says how to allow more, if that is possible.
 *
 * @throws {JobError} model: when it is not a file or cannot be read.
 * @throws {JobError} limit: when it is larger than `limit` bytes.
 */
export async function readLimited(
  path: string,
  limit: number,
  hint: string | null = RAISE_LIMIT,
): Promise<Uint8Array> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new JobError('model', `"${path}" is not a file`);
    if (found.size > limit) {
      throw new JobError('limit', `"${path}" has ${found.size} bytes; the limit is ${limit}`, {
        ...(hint === null ? {} : { hint }),
      });
    }
    return await readFile(path);
  } catch (cause) {
    if (cause instanceof JobError) throw cause;
    throw new JobError('model', `"${path}" cannot be read: ${messageOf(cause)}`, { cause });
  }
}

export async function readManifest(path: string): Promise<Manifest> {
  const bytes = await readLimited(path, MAX_MANIFEST_BYTES);
  return parseManifest(Buffer.from(bytes).toString('utf8'), path);
}

/**
 * Returns the path of a file that a manifest names, with links resolved.
 *
 * @throws {JobError} model: when the file does not exist, or lies outside the manifest's folder.
 */
export async function resolveInside(manifest: string, reference: string): Promise<string> {
  const folder = dirname(manifest);
  try {
    const [root, target] = await Promise.all([realpath(folder), realpath(join(folder, reference))]);
    if (target.startsWith(root.endsWith(sep) ? root : root + sep)) return target;
  } catch (cause) {
    throw new JobError(
      'model',
      `"${reference}", which the manifest "${manifest}" names, cannot be read: ${messageOf(cause)}`,
      {
        cause,
      },
    );
  }
  throw new JobError(
    'model',
    `"${reference}", which the manifest "${manifest}" names, lies outside the manifest's folder`,
  );
}

/**
 * Returns the SHA-256 of a file.
 *
 * @throws {JobError} model: when `expected` is given and differs: the file is damaged, or another one.
 */
export function checkedDigest(bytes: Uint8Array, expected: string | undefined, path: string): string {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (expected !== undefined && sha256 !== expected) {
    throw new JobError(
      'model',
      `"${path}" is not the file its manifest describes: its SHA-256 is ${sha256}`,
      {
        hint: 'download the model again, or correct the manifest',
      },
    );
  }
  return sha256;
}

/**
 * Decodes an ONNX file.
 *
 * @throws {JobError} model: when it is not ONNX, has external tensors, too old an operator set, or functions
 *   that cannot be written again.
 */
export function parseModel(bytes: Uint8Array, path: string): ModelProto {
  let model: ModelProto;
  try {
    model = decodeModel(bytes);
  } catch (cause) {
    throw new JobError('model', `"${path}" is not an ONNX model: ${messageOf(cause)}`, { cause });
  }
  if (!model.graph || (model.graph.node ?? []).length === 0) {
    throw new JobError('model', `"${path}" is not an ONNX model: it has no graph`);
  }
  const opset = opsetOf(model);
  if (opset === undefined || opset < LEAST_OPSET) {
    throw new JobError(
      'model',
      `"${path}" uses ONNX operator set ${opset ?? 'none'}; the oldest supported one is ${LEAST_OPSET}`,
      {
        hint: 'export it again, for instance with opset 17',
      },
    );
  }
  refuseDroppedFields(model, path);
  refuseExternalData(model, path);
  return model;
}

function refuseExternalData(model: ModelProto, path: string): void {
  const check = (tensor: TensorProto | null | undefined): void => {
    if (tensor?.dataLocation !== EXTERNAL) return;
    throw new JobError('model', `"${path}" stores the data of "${tensor.name ?? ''}" in another file`, {
      hint: 'save it as one self-contained file (onnx.save with save_as_external_data=False)',
    });
  };
  const checkNodes = (graph: Parameters<typeof walkGraphs>[0]): void =>
    walkGraphs(graph, (inner) => {
      for (const tensor of inner.initializer ?? []) check(tensor);
      for (const sparse of inner.sparseInitializer ?? [])
        for (const one of [sparse.values, sparse.indices]) check(one);
      for (const node of inner.node ?? []) {
        for (const one of node.attribute ?? []) {
          const sparse = [one.sparseTensor, ...(one.sparseTensors ?? [])];
          for (const tensor of [one.t, ...(one.tensors ?? [])]) check(tensor);
          for (const tensor of sparse.flatMap((inside) => [inside?.values, inside?.indices])) check(tensor);
        }
      }
    });
  checkNodes(model.graph ?? {});
  for (const one of model.functions) checkNodes({ node: one.node ?? [] });
}
