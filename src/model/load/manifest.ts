import type { ColourMatrix, ColourRange } from '../../video/formats/frame-format.js';
import {
  type BlockTensor,
  CHANNEL_ORDERS,
  CHROMA_SAMPLINGS,
  type ChromaSampling,
  isWhole,
  LAYOUTS,
  NAMED_RANGES,
  type PixelTensor,
  SAMPLE_TYPES,
} from '../ports/tensors.js';
import { type Canvas, canvasEntry, canvasStrength } from './canvas.js';
import { type Fields, fields, parseJsonObject } from './json-fields.js';
import {
  digest,
  fileReference,
  MAX_MULTIPLE,
  MAX_SCALE,
  name,
  optional,
  PRECISIONS,
  type Precision,
  valueRange,
} from './manifest-fields.js';
import { type PortsManifest, portsManifest } from './ports-manifest.js';

/** The ranges of the inputs and outputs of convolutions in int8, measured when the model was trained. */
export interface Int8Entry {
  /** File of little-endian float32: see `readRanges`. A row for each style, or one row for an image model. */
  readonly file: string;
  readonly sha256: string;
  /** For each, the initializer with its weights, and its numbers of channels. */
  readonly convolutions: readonly {
    readonly weight: string;
    readonly inputs: number;
    readonly outputs: number;
  }[];
}

interface ManifestBase {
  readonly name: string;
  /** The ONNX file, relative to the manifest's folder and inside it. */
  readonly file: string;
  /** Width and height of the network's input must be multiples of this many pixels. */
  readonly multiple: number;
  readonly macsPerPixel?: number;
  readonly parameters?: number;
  readonly int8?: Int8Entry;
  readonly training?: string;
  readonly licence?: string;
}

/** The initializers of an instance norm's scale and shift, which a style vector replaces. */
export interface StyleNorm {
  readonly scale: string;
  readonly shift: string;
  readonly channels: number;
}

export interface StyleEntry {
  readonly name: string;
  readonly title: string;
  readonly artist: string;
  readonly year: number | string;
  /** File of little-endian float32: for each norm its scales, then its shifts. */
  readonly vector: string;
  readonly sha256: string;
  /** Its own strength of the canvas. */
  readonly canvas?: number;
  readonly painting: string;
  readonly picture: string;
}

/** An I420-native network and its styles. */
export interface StylesManifest extends ManifestBase {
  readonly kind: 'styles';
  readonly sha256: string;
  readonly io: 'i420';
  readonly matrix: ColourMatrix;
  readonly range: ColourRange;
  readonly input: string;
  readonly output: string;
  readonly norms: readonly StyleNorm[];
  readonly canvas?: Canvas;
  readonly styles: readonly StyleEntry[];
}

interface ImageManifestBase extends ManifestBase {
  readonly kind: 'image';
  readonly sha256?: string;
  /** Output width (and height) over input width. */
  readonly scale: number;
  /** Default precision on GPUs; fp32 if absent. */
  readonly precision?: Precision;
}

/** Any image-to-image network on RGB or grey images. */
export interface RgbManifest extends ImageManifestBase {
  readonly io: 'rgb';
  readonly input: PixelTensor;
  readonly output: PixelTensor;
  /** Default: `nearest` at scale 1 (an exact round trip), `linear` above. */
  readonly chroma?: ChromaSampling;
}

/** Any network on blocks of I420. Without `matrix` and `range` it takes samples as they are coded. */
export interface BlockManifest extends ImageManifestBase {
  readonly io: 'i420';
  readonly input: BlockTensor;
  readonly output: BlockTensor;
  readonly matrix?: ColourMatrix;
  readonly range?: ColourRange;
  readonly canvas?: Canvas;
}

export type ImageManifest = RgbManifest | BlockManifest | PortsManifest;
export type Manifest = StylesManifest | ImageManifest;

const MATRICES: readonly ColourMatrix[] = ['bt601', 'bt709', 'bt2020'];
const RANGES: readonly ColourRange[] = ['limited', 'full'];
const COUNT = { integer: true, min: 0, max: Number.MAX_SAFE_INTEGER };
const CHANNELS = { integer: true, min: 1, max: 65536 };

/**
 * Parses a manifest. `path` is for messages.
 *
 * @throws {JobError} model: when it is not JSON, or a key is missing, unknown or invalid; the message names
 *   file and key.
 */
export function parseManifest(text: string, path: string): Manifest {
  const top = fields(parseJsonObject(text, path), path);
  const format = top.number('format', { integer: true, min: 1, max: 2 });
  if (format === 2) {
    const manifest = portsManifest(top);
    top.end();
    return manifest;
  }
  const kind = top.choice('kind', ['styles', 'image'] as const);
  const manifest = kind === 'styles' ? stylesManifest(top) : imageManifest(top);
  top.end();
  return manifest;
}

function base(top: Fields): ManifestBase {
  return {
    name: name(top),
    file: fileReference(top, 'file'),
    multiple: top.number('multiple', { integer: true, min: 1, max: MAX_MULTIPLE }),
    ...optional('macsPerPixel', top.optionalNumber('macsPerPixel', { min: 0, max: Number.MAX_SAFE_INTEGER })),
    ...optional('parameters', top.optionalNumber('parameters', COUNT)),
    ...optional('int8', top.has('int8') ? top.object('int8', int8Entry) : undefined),
    ...optional('training', top.optionalString('training')),
    ...optional('licence', top.optionalString('licence')),
  };
}

function int8Entry(entry: Fields): Int8Entry {
  return {
    file: fileReference(entry, 'file'),
    sha256: digest(entry, 'sha256'),
    convolutions: entry.list('convolutions', (conv) => ({
      weight: conv.string('weight'),
      inputs: conv.number('inputs', CHANNELS),
      outputs: conv.number('outputs', CHANNELS),
    })),
  };
}

function stylesManifest(top: Fields): StylesManifest {
  const norms = top.list('norms', (norm): StyleNorm => {
    return {
      scale: norm.string('scale'),
      shift: norm.string('shift'),
      channels: norm.number('channels', CHANNELS),
    };
  });
  const canvas = canvasOf(top);
  const styles = top.list('styles', (style): StyleEntry => {
    if (style.has('canvas') && canvas === undefined)
      style.fail('canvas', 'goes with a "canvas" of the manifest');
    return {
      name: name(style),
      title: style.string('title'),
      artist: style.string('artist'),
      year: style.numberOrString('year'),
      vector: fileReference(style, 'vector'),
      sha256: digest(style, 'sha256'),
      ...optional('canvas', style.has('canvas') ? canvasStrength(style, 'canvas') : undefined),
      painting: style.string('painting'),
      picture: style.string('picture'),
    };
  });
  const twice = styles.find((style, at) => styles.findIndex((other) => other.name === style.name) !== at);
  if (twice !== undefined) top.fail('styles', `names the style "${twice.name}" twice`);
  return {
    kind: 'styles',
    ...base(top),
    sha256: digest(top, 'sha256'),
    io: top.choice('io', ['i420'] as const),
    matrix: top.choice('matrix', MATRICES),
    range: top.choice('range', RANGES),
    input: top.string('input'),
    output: top.string('output'),
    norms,
    ...optional('canvas', canvas),
    styles,
  };
}

function canvasOf(top: Fields): Canvas | undefined {
  return top.has('canvas') ? top.object('canvas', canvasEntry) : undefined;
}

function imageManifest(top: Fields): ImageManifest {
  const io = top.choice('io', ['rgb', 'i420'] as const);
  const shared = {
    kind: 'image' as const,
    ...base(top),
    ...(top.has('sha256') ? { sha256: digest(top, 'sha256') } : {}),
    scale: top.number('scale', { integer: true, min: 1, max: MAX_SCALE }),
    ...optional('precision', top.optionalChoice('precision', PRECISIONS)),
  };
  if (io === 'i420') {
    return {
      ...shared,
      io,
      input: blockTensor(top, 'input'),
      output: blockTensor(top, 'output'),
      ...optional('matrix', top.optionalChoice('matrix', MATRICES)),
      ...optional('range', top.optionalChoice('range', RANGES)),
      ...optional('canvas', canvasOf(top)),
    };
  }
  return {
    ...shared,
    io,
    input: pixelTensor(top, 'input'),
    output: pixelTensor(top, 'output'),
    ...optional('chroma', top.optionalChoice('chroma', CHROMA_SAMPLINGS)),
  };
}

function pixelTensor(top: Fields, key: string): PixelTensor {
  return top.object(key, (tensor) => {
    const channels = tensor.choice('channels', CHANNEL_ORDERS);
    const type = tensor.choice('type', SAMPLE_TYPES);
    const range = valueRange(tensor, channels === 'grey' ? 1 : 3);
    if (isWhole(type) && range !== '0..255') tensor.fail('range', `must be "0..255" where type is "${type}"`);
    return {
      ...optional('name', tensor.optionalString('name')),
      layout: tensor.choice('layout', LAYOUTS),
      type,
      channels,
      range,
    };
  });
}

function blockTensor(top: Fields, key: string): BlockTensor {
  return top.object(key, (tensor) => {
    const type = tensor.choice('type', SAMPLE_TYPES);
    const range = tensor.choice('range', NAMED_RANGES);
    if (isWhole(type) && range !== '0..255') tensor.fail('range', `must be "0..255" where type is "${type}"`);
    return { ...optional('name', tensor.optionalString('name')), type, range };
  });
}

/** Returns the files beside the network that a manifest of an image model names. */
export function filesBeside(manifest: Manifest): readonly string[] {
  if (manifest.kind === 'image' && manifest.io === 'ports') {
    const values = [...manifest.inputs.values()].flatMap((port) =>
      port.role === 'constant' && port.source !== undefined && port.source.kind !== 'numbers'
        ? [port.source.file]
        : [],
    );
    const labels = [...manifest.outputs.values()].flatMap((port) =>
      port.role === 'table' && port.decode.labels !== undefined ? [port.decode.labels] : [],
    );
    return [...values, ...labels];
  }
  return manifest.int8 === undefined ? [] : [manifest.int8.file];
}
