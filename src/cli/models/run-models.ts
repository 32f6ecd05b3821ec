import { stat } from 'node:fs/promises';
import { DEFAULT_MODEL } from '../../job/context/options.js';
import { listModels } from '../../model/load/catalogue.js';
import { printable, printableJson } from '../../report/printable.js';

/** Prints the included models: names for `--model`, what they are, and an example picture. */
export async function listModelsCommand(folder: string, json: boolean): Promise<number> {
  const models = await Promise.all(
    (await listModels(folder)).map(async (model) => ({ ...model, bytes: (await stat(model.file)).size })),
  );
  if (json) {
    process.stdout.write(`${printableJson(models, 2)}\n`);
    return 0;
  }
  for (const model of models) {
    const facts = [
      [model.title, model.artist, model.year].filter((part) => part !== undefined).join(', '),
      ...(model.macsPerPixel === undefined ? [] : [`${model.macsPerPixel} MACs/pixel`]),
      `${model.network}, ${Math.round(model.bytes / 1024)} KiB`,
      ...(model.picture === undefined ? [] : [model.picture]),
    ];
    const name = model.isDefault ? model.name : `${model.name} --size ${model.size}`;
    const line = `${name.padEnd(28)}${facts.filter((part) => part !== '').join('; ')}`;
    process.stdout.write(`${printable(line)}\n`);
  }
  process.stdout.write(
    `\n--model also takes a blend ("wave:0.6,udnie:0.4") or the path of an ONNX file. Without it: ${DEFAULT_MODEL}.\n`,
  );
  return 0;
}
