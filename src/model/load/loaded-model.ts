import type { ColourMatrix, ColourRange } from '../../video/formats/frame-format.js';
import type { ModelProto } from '../graph/onnx.js';
import type { ModelSize } from './catalogue.js';
import type { BlockTensor, ChromaSampling, PixelTensor, Precision } from './manifest.js';
import type { Int8Conv } from './ranges.js';

/** A network on blocks of I420: [N, 6, H/2, W/2] in and out. */
export interface BlockIo {
  readonly io: 'i420';
  readonly input: Required<BlockTensor>;
  readonly output: Required<BlockTensor>;
  /** What the network was trained in; undefined where it takes coded samples whatever they mean. */
  readonly matrix: ColourMatrix | undefined;
  readonly range: ColourRange | undefined;
}

/** A network on RGB or grey pictures. */
export interface PixelIo {
  readonly io: 'rgb';
  readonly input: Required<PixelTensor>;
  readonly output: Required<PixelTensor>;
  readonly chroma: ChromaSampling;
}

export type ModelIo = BlockIo | PixelIo;

/** A model that is ready to be composed: file, manifest, styles and overrides have become one description. */
export interface LoadedModel {
  /** What the user asked for: a style, a blend of styles, or a file. */
  readonly name: string;
  /** Of a style that comes in several sizes. */
  readonly size: ModelSize | undefined;
  /** Path of the ONNX file. */
  readonly file: string;
  /** The network, with the style's vector in place. */
  readonly proto: ModelProto;
  readonly io: ModelIo;
  /** Output width (and height) over input width: 1..4. */
  readonly scale: number;
  /** Width and height of what the network is given are padded to a multiple of this many pixels. */
  readonly multiple: number;
  /** 1 is the network's own picture, 0 the source's, in between a mix; up to 1.5 exaggerates. */
  readonly strength: number;
  /** The one batch size that the file allows, where its batch dimension is fixed. */
  readonly fixedBatch: number | undefined;
  /** The one picture size, in pixels, that the file allows, where its height and width are fixed. */
  readonly fixedSize: { readonly width: number; readonly height: number } | undefined;
  /** Multiply-adds a source pixel as the manifest says it; `compose` counts them from the graph where it can. */
  readonly macsPerPixel: number | undefined;
  /** What GPUs compute it in unless told otherwise. */
  readonly precision: Precision;
  /** The convolutions that CPUs may run in int8; undefined where none may. */
  readonly int8: readonly Int8Conv[] | undefined;
  /** SHA-256 in hexadecimal over everything that decides the output: file, vectors, weights, strength, description. */
  readonly sha256: string;
  /** One line each, for the log: what was inferred from the graph, what was overridden. */
  readonly notes: readonly string[];
}
