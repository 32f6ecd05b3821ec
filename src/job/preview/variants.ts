/** The models of a preview, one by one. Pure. */
import type { ModelListing, ModelSize } from '../../model/load/catalogue.js';
import { isAddress, lastName, parseLocation } from '../../storage/location/location.js';
import { ALL_STYLES, type AskedModels } from './preview-options.js';

/** A model in one size and strength. */
export interface Variant {
  readonly model: string;
  readonly size: ModelSize | undefined;
  readonly strength: number | undefined;
  /** Its name, and what of it was chosen, if anything. */
  readonly label: { readonly name: string; readonly setting: string };
}

/** Returns the variants that are asked for: by model, then by size, then by strength. */
export function variantsOf(
  { models, sizes, strengths }: AskedModels,
  listing: readonly ModelListing[],
): readonly Variant[] {
  const ofSizes = sizes.length === 0 ? [undefined] : sizes;
  const ofStrengths = strengths.length === 0 ? [undefined] : strengths;
  const named = models.flatMap((model) => {
    if (model !== ALL_STYLES) return ofSizes.map((size) => ({ model, size }));
    const styles = listing.filter(({ kind }) => kind === 'style');
    const names = [...new Set(styles.map(({ name }) => name))];
    return names.flatMap((name) =>
      ofSizes.flatMap((size) =>
        styles.some((one) => one.name === name && (size === undefined ? one.isDefault : one.size === size))
          ? [{ model: name, size }]
          : [],
      ),
    );
  });
  const known = named.filter(
    ({ model, size }, at) => named.findIndex((other) => other.model === model && other.size === size) === at,
  );
  return known.flatMap(({ model, size }) =>
    ofStrengths.map((strength) => ({
      ...{ model, size, strength },
      label: {
        name: nameOf(model),
        setting: [
          ...(size === undefined ? [] : [size]),
          ...(strength === undefined ? [] : [`strength ${strength}`]),
        ].join(', '),
      },
    })),
  );
}

/** Returns a label as one text. */
export function labelText({ name, setting }: Variant['label']): string {
  return setting === '' ? name : `${name}, ${setting}`;
}

function nameOf(model: string): string {
  const path = isAddress(model) ? lastName(parseLocation(model)) : model;
  return path.slice(path.lastIndexOf('/') + 1).replace(/\.onnx$/i, '');
}
