import { createHash } from 'node:crypto';
import type { ModelProto } from '../graph/onnx.js';
import type { ConstantSource } from '../ports/constant-source.js';
import type { Constant } from '../ports/constants.js';
import { steadyCuts } from '../ports/steady.js';
import type { ModelOverrides } from './derive-manifest.js';
import { fixedBy } from './describe.js';
import type { GraphEnd } from './graph-ends.js';
import type { LoadedModel } from './loaded-model.js';

/** What a user asks of a model. */
export interface Request {
  readonly spec: string;
  readonly strength: number;
  /** A factor on the strength of the model's canvas; undefined: 1. */
  readonly canvas?: number | undefined;
  readonly steady: number;
  readonly overrides: ModelOverrides;
  readonly inputs: ReadonlyMap<string, ConstantSource>;
  /** In place of the manifest's. */
  readonly cutThreshold?: number | undefined;
  readonly limit: number;
}

/** How a model takes frames, and what it gives beside a picture. */
type OverFrames = Pick<
  LoadedModel,
  'tables' | 'pictures' | 'feeds' | 'window' | 'recurrence' | 'cuts' | 'sources' | 'several'
>;

/**
 * Returns the loaded model, with its digest. `sources` are the digests of its files and what else decides its
 * output.
 */
export function finish(
  { spec, strength, steady, cutThreshold }: Request,
  file: string,
  proto: ModelProto,
  input: GraphEnd,
  described: Pick<LoadedModel, 'io' | 'scale' | 'multiple'>,
  macsPerPixel: number | undefined,
  sources: readonly unknown[],
  notes: readonly string[],
  constants: readonly Constant[] = [],
  over: Partial<OverFrames> = {},
): LoadedModel {
  const { tables = [], pictures = [], feeds, window, recurrence, cuts: own, several } = over;
  const { sources: images } = over;
  const cuts = steady === 0 ? own : steadyCuts(own, recurrence, cutThreshold);
  const { io, scale, multiple } = described;
  const values = constants.map((one) => [one.name, one.sha256]);
  // Without them it is as it was before there were any: journals keep it.
  const frames = window === undefined ? {} : { feeds, window };
  const states = recurrence && {
    every: recurrence.every,
    states: recurrence.states.map((one) => [one.input, one.output, one.initial.sha256]),
  };
  const [table, ...others] = tables.map(({ name: _, ...own }) => own);
  const rows = { table, ...(others.length === 0 ? {} : { others }) };
  const held = steady === 0 ? {} : { steady };
  const more = {
    ...held,
    ...(values.length === 0 ? {} : { constants: values }),
    ...rows,
    ...(pictures.length === 0 ? {} : { pictures }),
    ...frames,
    states,
    cuts,
    ...(images === undefined ? {} : { images }),
    ...(several === undefined ? {} : { several }),
  };
  const identity = JSON.stringify({ sources, io, scale, multiple, strength, ...more });
  return {
    name: spec,
    size: undefined,
    file,
    proto,
    constants,
    io,
    tables,
    pictures,
    feeds: feeds ?? [{ name: input.name, offsets: [0], stack: undefined }],
    window,
    recurrence,
    cuts,
    sources: images,
    several,
    scale,
    multiple,
    strength,
    canvas: undefined,
    steady,
    precision: 'fp32',
    int8: undefined,
    ...fixedBy(io, input, file),
    macsPerPixel,
    sha256: createHash('sha256').update(identity).digest('hex'),
    notes,
  };
}
