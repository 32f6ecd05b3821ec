import { JobError } from '../../system/errors.js';
import type { PixelTensor } from '../ports/tensors.js';
import { axesOf, channelCount, isWhole } from '../ports/tensors.js';
import { defaultChroma, type ModelOverrides } from './derive-manifest.js';
import { fixedSizeOf, type GraphEnd, type GraphEnds } from './graph-ends.js';
import type { BlockIo, LoadedModel, ModelIo, PixelIo } from './loaded-model.js';
import type { BlockManifest, RgbManifest, StylesManifest } from './manifest.js';

/** Describes a network of styles by its manifest and its graph. */
export function describeStyles(manifest: StylesManifest, ends: GraphEnds, file: string): BlockIo {
  const tensor = { type: 'float32', range: '0..1' } as const;
  const io: BlockIo = {
    io: 'i420',
    input: { ...tensor, name: ends.input.name },
    output: { ...tensor, name: ends.output.name },
    matrix: manifest.matrix,
    range: manifest.range,
  };
  checkBlocks(io, ends, file);
  return io;
}

/** Describes an image model by its manifest, its graph and the command line, which has precedence. */
export function describeImage(
  manifest: RgbManifest | BlockManifest,
  ends: GraphEnds,
  file: string,
  overrides: ModelOverrides,
): { readonly io: ModelIo; readonly scale: number; readonly multiple: number } {
  const scale = overrides.scale ?? manifest.scale;
  const multiple = overrides.multiple ?? manifest.multiple;
  if (manifest.io === 'i420') {
    const refused = (['layout', 'channels', 'range', 'chroma'] as const).find(
      (key) => overrides[key] !== undefined,
    );
    if (refused !== undefined) {
      throw new JobError('model', `"${file}" takes blocks of I420, so --model-${refused} does not apply`);
    }
    const io: BlockIo = {
      io: 'i420',
      input: { ...manifest.input, name: ends.input.name },
      output: { ...manifest.output, name: ends.output.name },
      matrix: manifest.matrix,
      range: manifest.range,
    };
    checkBlocks(io, ends, file);
    return { io, scale, multiple };
  }
  const io: PixelIo = {
    io: 'rgb',
    input: overridden(manifest.input, ends.input.name, overrides),
    output: overridden(manifest.output, ends.output.name, overrides),
    chroma: overrides.chroma ?? manifest.chroma ?? defaultChroma(scale),
  };
  checkPixels(io.input, ends.input, file, 'input');
  checkPixels(io.output, ends.output, file, 'output');
  return { io, scale, multiple };
}

function overridden(tensor: PixelTensor, name: string, overrides: ModelOverrides): Required<PixelTensor> {
  return {
    name,
    type: tensor.type,
    layout: overrides.layout ?? tensor.layout,
    channels: tensor.channels === 'grey' ? 'grey' : (overrides.channels ?? tensor.channels),
    range: isWhole(tensor.type) ? '0..255' : (overrides.range ?? tensor.range),
  };
}

function checkPixels(tensor: Required<PixelTensor>, end: GraphEnd, file: string, what: string): void {
  checkType(tensor, end, file, what);
  const channels = end.dims[axesOf(tensor.layout).channels];
  const expected = channelCount(tensor.channels);
  if (channels !== undefined && channels !== expected) {
    throw new JobError(
      'model',
      `the ${what} of "${file}" has ${channels} channels in layout ${tensor.layout}; ${tensor.channels} has ${expected}`,
      { hint: `correct ${what}.layout or ${what}.channels in its manifest, or add --model-layout` },
    );
  }
}

function checkBlocks(io: BlockIo, ends: GraphEnds, file: string): void {
  for (const what of ['input', 'output'] as const) {
    checkType(io[what], ends[what], file, what);
    const channels = ends[what].dims[1];
    if (channels !== undefined && channels !== 6) {
      throw new JobError('model', `the ${what} of "${file}" has ${channels} channels; blocks of I420 have 6`);
    }
  }
}

function checkType(tensor: { readonly type: string }, end: GraphEnd, file: string, what: string): void {
  if (tensor.type === end.type) return;
  throw new JobError(
    'model',
    `the ${what} of "${file}" is ${end.type}, and its manifest says ${tensor.type}`,
  );
}

/** Returns the only batch size and the only frame size that the file allows. */
export function fixedBy(
  io: ModelIo,
  input: GraphEnd,
  file: string,
): Pick<LoadedModel, 'fixedBatch' | 'fixedSize'> {
  const size = fixedSizeOf(input, io.io === 'i420' ? 'nchw' : io.input.layout, file);
  const pixels = io.io === 'i420' ? 2 : 1;
  return {
    fixedBatch: input.dims[0],
    fixedSize: size && { width: pixels * size.width, height: pixels * size.height },
  };
}
