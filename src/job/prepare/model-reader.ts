import type { LoadedModel } from '../../model/load/loaded-model.js';
import type { ConstantSource } from '../../model/ports/constant-source.js';
import { openScratch } from '../../system/scratch.js';
import type { RunOptions } from '../context/options.js';
import type { TransferContext } from '../context/storage-context.js';
import type { LocalCopy } from './source.js';

/**
 * Returns a function that returns the model of `options`; `folder` contains the models that ship with the
 * program. The first call reads the model, and loads the code for it: other ranks get the graph from the
 * root.
 */
export function modelReader(
  options: RunOptions,
  folder: string,
  storage: TransferContext,
): () => Promise<LoadedModel> {
  let model: Promise<LoadedModel> | undefined;
  return () => {
    model ??= readModel(options, folder, storage);
    return model;
  };
}

async function readModel(
  options: RunOptions,
  folder: string,
  storage: TransferContext,
): Promise<LoadedModel> {
  const [{ loadModel }, { withDisplayName, openModel, openValue }] = await Promise.all([
    import('../../model/load/registry.js'),
    import('./source.js'),
  ]);
  await using scratch = openScratch();
  const context = { ...storage, scratch };
  const copy = await openModel(options.model, context);
  const inputs = new Map<string, ConstantSource>();
  const copies: LocalCopy[] = [copy];
  for (const [name, given] of options.modelInputs) {
    const value = await openValue(given, inputs.size, context);
    inputs.set(name, value.source);
    if (value.copy !== undefined) copies.push(value.copy);
  }
  const load = async () => {
    const model = await loadModel(copy.path, {
      folder,
      ...(options.size === undefined ? {} : { size: options.size }),
      ...(options.strength === undefined ? {} : { strength: options.strength }),
      canvas: options.canvas,
      steady: options.steady,
      overrides: options.modelOverrides,
      cutThreshold: options.cutThreshold,
      inputs,
    });
    return { ...model, name: copy.display };
  };
  const named = copies.reduce<() => Promise<LoadedModel>>(
    (task, one) => () => withDisplayName(one, task),
    load,
  );
  return await named();
}
