import type { TableSpec } from '../../table/spec.js';
import type { ColourMatrix, ColourRange } from '../../video/formats/frame-format.js';
import type { ModelProto } from '../graph/onnx.js';
import type { Constant } from '../ports/constants.js';
import type { SeveralFrames } from '../ports/several.js';
import type { SourceFrames } from '../ports/source.js';
import type { CutRule, Recurrence } from '../ports/state.js';
import type { BlockTensor, ChromaSampling, Fit, PixelTensor } from '../ports/tensors.js';
import type { Feed, Window } from '../ports/window.js';
import type { Canvas } from './canvas.js';
import type { ModelSize } from './catalogue.js';
import type { Precision } from './manifest-fields.js';
import type { Int8Conv } from './ranges.js';

/** A network on blocks of I420: [N, 6, H/2, W/2] in and out. */
export interface BlockIo {
  readonly io: 'i420';
  readonly input: Required<BlockTensor>;
  readonly output: Required<BlockTensor>;
  /** The coding the network was trained with; undefined if it takes coded samples of any meaning. */
  readonly matrix: ColourMatrix | undefined;
  readonly range: ColourRange | undefined;
}

/** A network on RGB or grey images. */
export interface PixelIo {
  readonly io: 'rgb';
  readonly input: Required<PixelTensor>;
  readonly output: Required<PixelTensor>;
  readonly chroma: ChromaSampling;
}

/** A network on RGB or grey images that gives no image. */
export interface TableIo {
  readonly io: 'table';
  readonly input: Required<PixelTensor>;
  readonly chroma: ChromaSampling;
  readonly fit: Fit;
}

export type ModelIo = BlockIo | PixelIo | TableIo;

/** A picture that a network gives beside its main one. */
export interface FurtherPicture {
  /** The name of its output. */
  readonly name: string;
  readonly tensor: Required<PixelTensor>;
  /** Its width (and height) over that of the frames: 1..4. */
  readonly scale: number;
}

/** The outputs of a network that become the rows of a table. */
export interface ModelTable {
  /** The name of its first output. */
  readonly name: string;
  readonly spec: TableSpec;
  /** Their names, in the order that the kind of table says. */
  readonly ends: readonly string[];
  /** The most rows of outputs of which only a run tells how many they have, if the manifest says it. */
  readonly rows?: number;
}

/** A model that is ready to be composed: one description from file, manifest, styles and overrides. */
export interface LoadedModel {
  /** The value of --model: a style, a blend of styles, or a file. */
  readonly name: string;
  /** Size of a style that has several. */
  readonly size: ModelSize | undefined;
  /** Path of the ONNX file. */
  readonly file: string;
  /** The network, with the style's vector in place. */
  readonly proto: ModelProto;
  /** Inputs of the network that are the same for every frame. */
  readonly constants: readonly Constant[];
  readonly io: ModelIo;
  readonly tables: readonly ModelTable[];
  /** Pictures beside the one that `io` describes; none if it describes none. */
  readonly pictures: readonly FurtherPicture[];
  /** The inputs that take frames. */
  readonly feeds: readonly Feed[];
  /** The frames around each frame that it looks at; undefined if it takes frames one by one. */
  readonly window: Window | undefined;
  /** What it passes on from frame to frame; undefined if nothing. */
  readonly recurrence: Recurrence | undefined;
  /** The inputs that take the source frame; undefined if none does. */
  readonly sources: SourceFrames | undefined;
  /** How its picture's tensor holds several frames; undefined if it holds one. */
  readonly several: SeveralFrames | undefined;
  /** How it stops at scene cuts; undefined if it does not. */
  readonly cuts: CutRule | undefined;
  /** Output width (and height) over input width: 1..4. */
  readonly scale: number;
  /** Width and height of the network's input are padded to a multiple of this many pixels. */
  readonly multiple: number;
  /** 1 is the network's own output, 0 the source, in between a mix; up to 1.5 exaggerates. */
  readonly strength: number;
  /** The field of noise under its frames; undefined if it has none. */
  readonly canvas: Canvas | undefined;
  /** How much is held of the frame before where the source does not change: 0 (nothing) to 1. */
  readonly steady: number;
  /** The only batch size that the file allows, if its batch dimension is fixed. */
  readonly fixedBatch: number | undefined;
  /** The only frame size, in pixels, that the file allows, if its height and width are fixed. */
  readonly fixedSize: { readonly width: number; readonly height: number } | undefined;
  /** MACs per source pixel from the manifest; `compose` counts them in the graph if it can. */
  readonly macsPerPixel: number | undefined;
  /** Default precision on GPUs. */
  readonly precision: Precision;
  /** The convolutions that CPUs may run in int8; undefined if there are none. */
  readonly int8: readonly Int8Conv[] | undefined;
  /**
   * SHA-256 in hexadecimal over everything that decides the output: file, vectors, weights, strength,
   * description.
   */
  readonly sha256: string;
  /** Lines for the log: facts derived from the graph. */
  readonly notes: readonly string[];
}
