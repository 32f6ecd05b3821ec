/** Manifests of format 2: a role for every input and output of the graph. */
import type { ConstantSource, PictureFacts } from '../ports/constant-source.js';
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
import { EDGES, type Edge, MOST_REACH, STACKS, type Stack } from '../ports/window.js';
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
  readonly edge?: Edge;
}

export type InputPort =
  | FramesPort
  /** Without a value, the command line must give one. */
  | { readonly role: 'constant'; readonly source: ConstantSource | undefined };

export type OutputPort =
  | ({ readonly role: 'picture' } & ImagePort)
  | {
      readonly role: 'table';
      readonly decode: TableDecode;
      /** Further outputs that the table is made of, in the order of its head. */
      readonly ends: readonly string[];
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
  readonly inputs: ReadonlyMap<string, InputPort>;
  readonly outputs: ReadonlyMap<string, OutputPort>;
}

const SIDE = { integer: true, min: 1, max: 16_384 };

/** Reads the keys of a manifest of format 2. */
export function portsManifest(top: Fields): PortsManifest {
  const inputs = top.entries('inputs', inputPort);
  const outputs = top.entries('outputs', outputPort);
  const count = (ports: ReadonlyMap<string, { readonly role: string }>, role: string) =>
    [...ports.values()].filter((port) => port.role === role).length;
  checkFrames(top, inputs);
  const [pictures, tables] = [count(outputs, 'picture'), count(outputs, 'table')];
  if (pictures > 1 || tables > 1) top.fail('outputs', 'must have at most one "picture" and one "table"');
  const fitted = [...inputs.values()].find((port) => port.role === 'frames' && port.fit !== undefined);
  if (pictures > 0 && fitted !== undefined)
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
    inputs,
    outputs,
  };
}

function inputPort(port: Fields): InputPort {
  const role = port.choice('role', ['frames', 'constant'] as const);
  switch (role) {
    case 'frames':
      return framesPort(port);
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
  return {
    role: 'frames',
    ...optional('fit', port.optionalChoice('fit', FITS)),
    ...optional('size', sizeOf(port)),
    ...optional('at', at),
    ...optional('window', window),
    ...optional('edge', port.optionalChoice('edge', EDGES)),
    ...imagePort(port),
  };
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
  const facts = (port: FramesPort | undefined) =>
    JSON.stringify([port?.layout, port?.channels, port?.range, port?.fit, port?.size, port?.edge]);
  if (others.some((port) => facts(port) !== facts(first)))
    top.fail('inputs', 'must have the same layout, channels, range, size and edge for all frames');
}

function outputPort(port: Fields, end: string): OutputPort {
  const role = port.choice('role', ['picture', 'table'] as const);
  switch (role) {
    case 'picture':
      return { role, ...imagePort(port) };
    case 'table': {
      const ends = port.has('with') ? port.texts('with') : [];
      const decode = port.has('decode')
        ? port.object('decode', tableDecode)
        : { spec: { kind: 'values' as const, column: end }, labels: undefined };
      return { role, decode, ends };
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
