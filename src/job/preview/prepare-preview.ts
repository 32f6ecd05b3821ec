/** Every decision of a preview before its first frame, on the root. */
import { listModels } from '../../model/load/catalogue.js';
import { CONTENT_TYPES } from '../../pictures/formats.js';
import { parseLocation } from '../../storage/location/location.js';
import { modelsFolder } from '../../system/package.js';
import { type Container, containerFor } from '../../video/formats/container.js';
import { refuseCodec } from '../../video/streams/streams.js';
import type { RunContext } from '../context/context.js';
import type { StorageContext } from '../context/storage-context.js';
import { type Destination, openDestination } from '../output/destination.js';
import { refuseSharedFiles } from '../prepare/files-apart.js';
import { modelReader } from '../prepare/model-reader.js';
import { type ComposedVariant, composeVariant } from './composed.js';
import { openPreviewInput, type PreviewInput } from './preview-input.js';
import type { PreviewOptions } from './preview-options.js';
import { variantsOf } from './variants.js';

export interface PreparedPreview {
  readonly destination: Destination;
  readonly contentType: string;
  /** Of a comparison. */
  readonly container: Container | undefined;
  readonly input: PreviewInput;
  readonly models: readonly ComposedVariant[];
  /** Notes for the user, one line each. */
  readonly notes: readonly string[];
}

/** Of a sheet: frames are turned when they are shown, as players do with an MP4. */
const LIKE_MP4 = { carriesDisplayMatrix: true } as const;

/**
 * Checks the destination, opens the input, and loads and composes the models. Decodes no frame.
 *
 * @throws {JobError} when something of it cannot be done.
 */
export async function preparePreview(
  context: RunContext,
  options: PreviewOptions,
  storage: StorageContext,
): Promise<PreparedPreview> {
  const { form } = options;
  const place = parseLocation(options.output);
  const destination = await openDestination(place, storage);
  await destination.check(parseLocation(options.input), options.overwrite);
  const variants = variantsOf(options.asked, await listModels(modelsFolder()));
  for (const model of new Set(variants.map((one) => one.model)))
    await refuseSharedFiles([{ ...options, model }]);
  const container = form.kind === 'comparison' ? containerFor(destination.name) : undefined;
  const input = await openPreviewInput(options, container ?? LIKE_MP4, storage);
  if (container !== undefined && input.kind === 'video')
    await refuseCodec(input.source, container, options.codec);
  const models: ComposedVariant[] = [];
  for (const variant of variants) {
    const { model, size, strength } = variant;
    const loaded = await modelReader({ ...options, model, size, strength }, modelsFolder(), storage)();
    models.push(composeVariant(variant, loaded, input, options, context));
  }
  const own = input.kind === 'video' ? [...input.source.notes, ...input.wire.notes] : [];
  return {
    destination,
    contentType: form.kind === 'sheet' ? CONTENT_TYPES[form.format] : (container?.contentType ?? ''),
    container,
    input,
    models,
    notes: [...new Set([...own, ...models.flatMap(({ notes }) => notes)])],
  };
}
