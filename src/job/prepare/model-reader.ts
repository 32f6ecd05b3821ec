import type { LoadedModel } from '../../model/load/loaded-model.js';
import { openScratch } from '../../system/scratch.js';
import type { RunOptions } from '../context/options.js';
import type { TransferContext } from '../context/storage-context.js';

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
  const [{ loadModel }, { withDisplayName, openModel }] = await Promise.all([
    import('../../model/load/registry.js'),
    import('./source.js'),
  ]);
  const scratch = openScratch();
  try {
    const copy = await openModel(options.model, { ...storage, scratch });
    return await withDisplayName(copy, async () => {
      const model = await loadModel(copy.path, {
        folder,
        ...(options.size === undefined ? {} : { size: options.size }),
        ...(options.strength === undefined ? {} : { strength: options.strength }),
        overrides: options.modelOverrides,
      });
      return { ...model, name: copy.display };
    });
  } finally {
    await scratch.dispose();
  }
}
