/** Manifests of format 2: a role for every input and output of the graph. */
import { MOST_CUT_THRESHOLD } from '../../video/frames/scene-cuts.js';
import type { ConstantSource, PictureFacts } from '../ports/constant-source.js';
import { EDGES, type Edge } from '../ports/edges.js';
import { MOST_OPEN_ROWS } from '../ports/open-rows.js';
import { MOST_CHUNK } from '../ports/several.js';
import { MOST_RUN } from '../ports/state.js';
import {
  CHANNEL_ORDERS,
  CHROMA_SAMPLINGS,
  type ChannelOrder,
  type ChromaSampling,
  FITS,
  type Fit,
  LAYOUTS,
  type TensorLayout,
  type ValueRange,
} from '../ports/tensors.js';
import { MOST_REACH, STACKS, type Stack } from '../ports/window.js';
import type { Fields } from './json-fields.js';
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
import { type TableDecode, tableDecode } from './table-manifest.js';

/**
 * What the graph does not say of an image tensor. Layout and channels may be given where it does not tell.
 */
export interface ImagePort {
  readonly layout?: TensorLayout;
  readonly channels?: ChannelOrder;
  readonly range?: ValueRange;
}

export interface FramesPort extends ImagePort {
  readonly role: 'frames';
  readonly fit?: Fit;
  /** The size to which frames are brought, where the graph takes any. */
  readonly size?: { readonly width: number; readonly height: number };
  /** Its only frame is the one at this distance from the frame that is made. Default: 0. */
  readonly at?: number;
  /** Several frames, instead. */
  readonly window?: { readonly before: number; readonly after: number; readonly stack: Stack };
  /** So many frames of the video, counted from its start, of which it gives as many. */
  readonly chunk?: number;
  readonly edge?: Edge;
  /** True if frames of another scene are none of its neighbours. */
  readonly cuts?: boolean;
}

/** Where states begin anew. */
export interface Reset {
  readonly every: number;
  readonly cuts: boolean;
}

export interface StatePort {
  readonly role: 'state';
  /** The output that gives it for the frame before. */
  readonly from: string;
  /** Undefined: zeros. */
  readonly source: ConstantSource | undefined;
  /** Undefined: as of the other states. */
  readonly reset: Reset | undefined;
}

/** Takes the frame as it came, in its own size unless the graph or `size` gives another. */
export interface SourcePort extends ImagePort {
  readonly role: 'source';
  readonly size?: { readonly width: number; readonly height: number };
}

export type InputPort =
  | FramesPort
  | SourcePort
  | StatePort
  /** Without a value, the command line must give one. */
  | { readonly role: 'constant'; readonly source: ConstantSource | undefined };

/** The first picture is the main one: the output of a job. */
export interface PicturePort extends ImagePort {
  readonly role: 'picture';
  /** Size of a further picture over that of the frames, if the graph does not tell. */
  readonly scale?: number;
  /** Of several frames that it gives, it is number `take`, from 0. */
  readonly take?: number;
}

export type OutputPort =
  | PicturePort
  | { readonly role: 'state' }
  | {
      readonly role: 'table';
      readonly decode: TableDecode;
      /** Further outputs that the table is made of, in the order of its head. */
      readonly ends: readonly string[];
      /** The most rows of outputs of which only a run tells how many they have. */
      readonly rows?: number;
    };

/** A network whose ends have roles. Outputs without one are not computed. */
export interface PortsManifest {
  readonly kind: 'image';
  readonly io: 'ports';
  readonly name: string;
  readonly file: string;
  readonly sha256?: string;
  readonly scale?: number;
  readonly multiple?: number;
  readonly precision?: Precision;
  readonly chroma?: ChromaSampling;
  readonly macsPerPixel?: number;
  readonly licence?: string;
  /** The distance of two frames from which they are of two scenes. */
  readonly cutThreshold?: number;
  readonly inputs: ReadonlyMap<string, InputPort>;
  readonly outputs: ReadonlyMap<string, OutputPort>;
}

const SIDE = { integer: true, min: 1, max: 16_384 };

/** Reads the keys of a manifest of format 2. */
export function portsManifest(top: Fields): PortsManifest {
  const inputs = top.entries('inputs', inputPort);
  const outputs = top.entries('outputs', outputPort);
  checkFrames(top, inputs);
  checkChunk(top, inputs, outputs);
  checkStates(top, inputs, outputs);
  if (top.has('cutThreshold') && ![...inputs.values()].some(stops))
    top.fail('cutThreshold', 'goes with "cuts": true beside a "window", or in the "reset" of a state');
  const pictures = [...outputs.values()].filter((port) => port.role === 'picture');
  if (pictures[0]?.scale !== undefined)
    top.fail('outputs', 'must have no "scale" at the first "picture": the manifest itself has it');
  const fitted = [...inputs.values()].find((port) => port.role === 'frames' && port.fit !== undefined);
  if (pictures.length > 0 && fitted !== undefined)
    top.fail('inputs', 'must have no "fit" where an output is a picture: frames are stretched and back');
  return {
    kind: 'image',
    io: 'ports',
    name: name(top),
    file: fileReference(top, 'file'),
    ...(top.has('sha256') ? { sha256: digest(top, 'sha256') } : {}),
    ...optional('scale', top.optionalNumber('scale', { integer: true, min: 1, max: MAX_SCALE })),
    ...optional('multiple', top.optionalNumber('multiple', { integer: true, min: 1, max: MAX_MULTIPLE })),
    ...optional('precision', top.optionalChoice('precision', PRECISIONS)),
    ...optional('chroma', top.optionalChoice('chroma', CHROMA_SAMPLINGS)),
    ...optional('macsPerPixel', top.optionalNumber('macsPerPixel', { min: 0, max: Number.MAX_SAFE_INTEGER })),
    ...optional('licence', top.optionalString('licence')),
    ...optional('cutThreshold', top.optionalNumber('cutThreshold', { min: 0, max: MOST_CUT_THRESHOLD })),
    inputs,
    outputs,
  };
}

function inputPort(port: Fields): InputPort {
  const role = port.choice('role', ['frames', 'source', 'state', 'constant'] as const);
  switch (role) {
    case 'state':
      return statePort(port);
    case 'frames':
      return framesPort(port);
    case 'source':
      return { role, ...optional('size', sizeOf(port)), ...imagePort(port) };
    case 'constant':
      return { role, source: source(port) };
  }
}

function framesPort(port: Fields): FramesPort {
  const reach = { integer: true, min: 0, max: MOST_REACH };
  const at = port.optionalNumber('at', { integer: true, min: -MOST_REACH, max: MOST_REACH });
  const window = port.has('window')
    ? port.object('window', (one) => ({
        before: one.number('before', reach),
        after: one.number('after', reach),
        stack: one.choice('stack', STACKS),
      }))
    : undefined;
  if (window !== undefined && at !== undefined) port.fail('at', 'cannot stand beside "window"');
  const chunk = port.optionalNumber('chunk', { integer: true, min: 2, max: MOST_CHUNK });
  if (chunk !== undefined && (window !== undefined || at !== undefined))
    port.fail('chunk', `cannot stand beside "${window === undefined ? 'at' : 'window'}"`);
  return {
    role: 'frames',
    ...optional('fit', port.optionalChoice('fit', FITS)),
    ...optional('size', sizeOf(port)),
    ...optional('at', at),
    ...optional('window', window),
    ...optional('chunk', chunk),
    ...optional('edge', port.optionalChoice('edge', EDGES)),
    ...optional('cuts', port.optionalFlag('cuts')),
    ...imagePort(port),
  };
}

/** Returns whether an input stops at scene cuts. */
function stops(port: InputPort): boolean {
  return (
    (port.role === 'frames' && port.cuts === true) || (port.role === 'state' && port.reset?.cuts === true)
  );
}

function statePort(port: Fields): StatePort {
  const from = port.string('from');
  const value = source(port);
  if (value?.kind === 'picture') port.fail('picture', 'is no value of a state');
  const reset = port.has('reset')
    ? port.object('reset', (one) => ({
        every: one.number('every', { integer: true, min: 1, max: MOST_RUN }),
        cuts: one.optionalFlag('cuts') ?? false,
      }))
    : undefined;
  return { role: 'state', from, source: value, reset };
}

/** Checks that the states begin anew together. They may come from outputs of any role: a picture, too. */
function checkStates(
  top: Fields,
  inputs: ReadonlyMap<string, InputPort>,
  outputs: ReadonlyMap<string, OutputPort>,
): void {
  const states = [...inputs.values()].filter((port) => port.role === 'state');
  const sources = new Set(states.map(({ from }) => from));
  const idle = [...outputs].find(([name, { role }]) => role === 'state' && !sources.has(name));
  if (idle !== undefined)
    top.fail('outputs', `has the state "${idle[0]}", which no input of the role "state" is "from"`);
  if (states.length === 0) return;
  const resets = new Set(states.flatMap(({ reset }) => (reset === undefined ? [] : [JSON.stringify(reset)])));
  if (resets.size === 1) return;
  top.fail(
    'inputs',
    resets.size > 1
      ? 'must have the same "reset" for all states'
      : 'must say where states begin anew: "reset": {"every": 48}, in frames; runs of so many are dealt to the ranks',
  );
}

/** Checks that the frames' inputs agree: they are one video. */
function checkFrames(top: Fields, inputs: ReadonlyMap<string, InputPort>): void {
  const ports = [...inputs.values()].filter((port) => port.role === 'frames');
  const [first, ...others] = ports;
  if (first === undefined) top.fail('inputs', 'must have one with the role "frames"');
  if (others.length > 0 && ports.some(({ window }) => window !== undefined))
    top.fail('inputs', 'must have one with the role "frames" if it has a "window"');
  const places = ports.map(({ at = 0 }) => at);
  if (new Set(places).size < places.length) {
    top.fail('inputs', 'must have one with the role "frames", or several of different "at"');
  }
  if (ports.some(({ cuts }) => cuts === true) && others.length === 0 && first.window === undefined)
    top.fail('inputs', 'must have "cuts" only where frames have neighbours: with a "window" or "at"');
  const facts = (port: FramesPort | undefined) =>
    JSON.stringify([
      port?.layout,
      port?.channels,
      port?.range,
      port?.fit,
      port?.size,
      port?.edge,
      port?.cuts,
    ]);
  if (others.some((port) => facts(port) !== facts(first)))
    top.fail('inputs', 'must have the same layout, channels, range, size, edge and cuts for all frames');
}

/** Checks that frames which are made together come alone, and that one is taken of a window only. */
function checkChunk(
  top: Fields,
  inputs: ReadonlyMap<string, InputPort>,
  outputs: ReadonlyMap<string, OutputPort>,
): void {
  const ports = [...inputs.values()];
  const frames = ports.filter((port) => port.role === 'frames');
  const pictures = [...outputs.values()].filter((port) => port.role === 'picture');
  const isTaken = pictures.some(({ take }) => take !== undefined);
  if (pictures.slice(1).some(({ take }) => take !== undefined))
    top.fail('outputs', 'must have "take" only at the first picture');
  if (isTaken && frames.every(({ window }) => window === undefined))
    top.fail('outputs', 'must have "take" only where the frames have a "window"');
  if (frames.every(({ chunk }) => chunk === undefined)) return;
  if (pictures.length > 1) top.fail('outputs', 'must have one picture where the frames have a "chunk"');
  const other =
    frames.length > 1 ? 'frames' : ports.find(({ role }) => role === 'state' || role === 'source')?.role;
  if (other !== undefined)
    top.fail(
      'inputs',
      `must have one with the role "frames", and none with "${other === 'frames' ? 'at' : other}", where that has a "chunk"`,
    );
}

function outputPort(port: Fields, end: string): OutputPort {
  const role = port.choice('role', ['picture', 'state', 'table'] as const);
  switch (role) {
    case 'state':
      return { role };
    case 'picture': {
      const scale = port.optionalNumber('scale', { integer: true, min: 1, max: MAX_SCALE });
      const take = port.optionalNumber('take', { integer: true, min: 0, max: 2 * MOST_REACH });
      return { role, ...imagePort(port), ...optional('scale', scale), ...optional('take', take) };
    }
    case 'table': {
      const ends = port.has('with') ? port.texts('with') : [];
      const decode = port.has('decode')
        ? port.object('decode', tableDecode)
        : { spec: { kind: 'values' as const, column: end }, labels: undefined };
      const rows = port.optionalNumber('rows', { integer: true, min: 1, max: MOST_OPEN_ROWS });
      const { spec } = decode;
      if (rows === undefined && spec.kind === 'boxes' && spec.head === 'yolov7')
        port.fail('rows', 'must state the most boxes of a frame, of which only a run tells how many: 300');
      return { role, decode, ends, ...optional('rows', rows) };
    }
  }
}

function imagePort(port: Fields): ImagePort {
  const channels = port.optionalChoice('channels', CHANNEL_ORDERS);
  return {
    ...optional('layout', port.optionalChoice('layout', LAYOUTS)),
    ...optional('channels', channels),
    ...(port.has('range') ? { range: valueRange(port, channels === 'grey' ? 1 : 3) } : {}),
  };
}

function source(port: Fields): ConstantSource | undefined {
  const given = (['value', 'npy', 'picture'] as const).filter((key) => port.has(key));
  const [kind, second] = given;
  if (second !== undefined) port.fail(second, `cannot stand beside "${kind}"`);
  switch (kind) {
    case undefined:
      return undefined;
    case 'value':
      return { kind: 'numbers', values: port.someNumbers('value') };
    case 'npy':
      return { kind: 'tensor', file: fileReference(port, 'npy') };
    case 'picture':
      return { kind: 'picture', file: fileReference(port, 'picture'), ...pictureFacts(port) };
  }
}

function pictureFacts(port: Fields): PictureFacts {
  return { ...imagePort(port), ...optional('size', sizeOf(port)) };
}

function sizeOf(port: Fields): { readonly width: number; readonly height: number } | undefined {
  return port.has('size')
    ? port.object('size', (one) => ({ width: one.number('width', SIDE), height: one.number('height', SIDE) }))
    : undefined;
}
