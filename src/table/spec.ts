/** What a manifest may ask of a model's output: the kind of table that it becomes. */

export type TableSpec = ValuesSpec | EmbeddingSpec | ClassesSpec | BoxesSpec;

/** The whole tensor, row-major, one row a frame: a list of float32, or a float32 if it has one element. */
export interface ValuesSpec {
  readonly kind: 'values';
  /** The name of the column: the output's. */
  readonly column: string;
}

/** The tensor as one vector a frame. */
export interface EmbeddingSpec {
  readonly kind: 'embedding';
  /** Divides by the L2 norm. A vector of zeros stays one. */
  readonly normalize?: boolean;
}

/** The best classes of each frame. */
export interface ClassesSpec {
  readonly kind: 'classes';
  /** The most rows a frame. */
  readonly top: number;
  /** Makes scores of the tensor's numbers. `none`: they are scores. */
  readonly activation: 'softmax' | 'sigmoid' | 'none';
  /** The name of each class. */
  readonly labels?: readonly string[];
  /** Only scores above it become rows. */
  readonly threshold?: number;
}

/** Boxes around things, by the kind of network that gives them. */
export type BoxesSpec = YoloSpec | SsdSpec | DistinctBoxesSpec;

interface CommonBoxesSpec {
  readonly kind: 'boxes';
  /** Only scores above it become boxes. */
  readonly threshold: number;
  /** The most rows a frame; at most 30,000. */
  readonly max: number;
  /** The name of each class. A class beyond them, of a network that does not say how many it has, gets "". */
  readonly labels?: readonly string[];
}

/** Boxes that may overlap. */
interface OverlappingBoxesSpec extends CommonBoxesSpec {
  /**
   * A box goes if its intersection over union with a better one of its class is above this. 1 keeps all: for
   * models that suppress boxes themselves.
   */
  readonly iou: number;
}

/** See `yolov5Head` and `yolov8Head`. */
export interface YoloSpec extends OverlappingBoxesSpec {
  readonly head: 'yolov5' | 'yolov8';
}

/** See `ssdHead`. */
export interface SsdSpec extends OverlappingBoxesSpec {
  readonly head: 'ssd';
  /** The order of a box's four numbers: `yxyx` is y1, x1, y2, x2. */
  readonly order: 'yxyx' | 'xyxy';
  /** `normalised`: 0 to 1 across the model's input. `pixels`: pixels of that input. */
  readonly units: 'normalised' | 'pixels';
  /** The class that means "nothing", if the scores have one. It is never a box's. */
  readonly background?: number;
}

/**
 * Boxes of networks that find each thing once, so that nothing is suppressed.
 * See `endToEndHead`, `yolov7Head`, `detrHead` and `rtdetrHead`.
 */
export interface DistinctBoxesSpec extends CommonBoxesSpec {
  readonly head: 'yolov7' | 'yolov10' | 'detr' | 'rtdetr';
}
