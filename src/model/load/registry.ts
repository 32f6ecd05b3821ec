import { realpath, stat } from 'node:fs/promises';
import { JobError } from '../../system/errors.js';
import type { GraphProto } from '../graph/onnx.js';
import type { ConstantSource } from '../ports/constant-source.js';
import { MAX_STEADY } from '../ports/steady.js';
import { type Canvas, MAX_CANVAS, withCanvas } from './canvas.js';
import { findImage, findStyles, type ModelSize, readCatalogue, sizeOf } from './catalogue.js';
import { factsOf, type ModelOverrides } from './derive-manifest.js';
import { describeImage, describeStyles } from './describe.js';
import { finish, type Request } from './finish.js';
import { graphEnds } from './graph-ends.js';
import type { LoadedModel } from './loaded-model.js';
import type { BlockManifest, ImageManifest, RgbManifest, StylesManifest } from './manifest.js';
import { MAX_MULTIPLE, MAX_SCALE, MAX_STRENGTH } from './manifest-fields.js';
import {
  checkedDigest,
  modelBytesLimit,
  parseModel,
  readLimited,
  readManifest,
  resolveInside,
} from './model-files.js';
import { describeNetwork, loadPorts, readConstants } from './ports-model.js';
import { readRanges } from './ranges.js';
import { blendVectors, parseStyles, withStyle } from './styles.js';

export interface LoadOptions {
  /** Folder of the manifests in which names are looked up. */
  readonly folder: string;
  /** Size of a style that has several; default: `DEFAULT_SIZE` if it exists. */
  readonly size?: ModelSize;
  /** 0 (the source) to 1.5 (exaggerated); default 1, the network's own output. */
  readonly strength?: number;
  /** A factor on the strength of the model's canvas, 0 to `MAX_CANVAS`; default 1. */
  readonly canvas?: number | undefined;
  /** How much is held of the frame before where the source does not change: 0, the default, to 1. */
  readonly steady?: number;
  readonly overrides?: ModelOverrides;
  /** Values of inputs of the graph, by their names. They replace those in the manifest. */
  readonly inputs?: ReadonlyMap<string, ConstantSource>;
  /** The distance of two frames that makes a scene cut, in place of the manifest's. */
  readonly cutThreshold?: number | undefined;
  /** Largest ONNX file in bytes; default: FRAMESCATTER_MAX_MODEL_BYTES in the environment, or 1 GiB. */
  readonly maxBytes?: number;
}

/** Names of pictures: a painting is often given for a model. */
const PICTURES = /\.(?:jpe?g|png|webp|tiff?|bmp|gif|avif|heic)$/i;

/**
 * Loads the model of `--model`: a style (`wave`), a blend (`wave:0.6,starry-night:0.4`; weights are divided
 * by their sum), an image model's name, or the path of an ONNX file (anything with a `/` or ending in
 * `.onnx`). A manifest beside such a file, `x.json` or `x.onnx.json`, describes it; without one, its graph
 * and `overrides` must.
 *
 * @throws {JobError} model: when a file or name is missing or wrong; the message names it.
 */
export async function loadModel(spec: string, options: LoadOptions): Promise<LoadedModel> {
  const { strength = 1, steady = 0, overrides = {} } = options;
  checkRanges(strength, steady, options.canvas, overrides);
  const request: Request = {
    spec,
    strength,
    steady,
    canvas: options.canvas,
    overrides,
    inputs: options.inputs ?? new Map(),
    cutThreshold: options.cutThreshold,
    limit: options.maxBytes ?? modelBytesLimit(process.env),
  };
  const model = await load(request, options);
  if (options.canvas !== undefined && model.canvas === undefined) {
    throw new JobError('usage', `"${spec}" has no canvas, so --canvas does not apply`, {
      hint: 'it is for the styles of framescatter, and for paintings that were fitted to them',
    });
  }
  if (options.cutThreshold === undefined || model.cuts !== undefined) return model;
  throw new JobError('model', `"${spec}" does not stop at scene cuts, so --cut-threshold does not apply`, {
    hint: 'write "cuts": true beside the "window" of its frames, or in the "reset" of its states, or give --steady',
  });
}

async function load(request: Request, options: LoadOptions): Promise<LoadedModel> {
  const { spec } = request;
  if (PICTURES.test(spec)) {
    throw new JobError('model', `"${spec}" is a picture, and --model takes a style or a network`, {
      hint:
        'to make a style of it, run in the models/ folder of the repository: ' +
        'python -m train --style painting.jpg --trunk fine.json --content in.mp4 (models/train/README.md); a network that takes any painting gets it by --input: ' +
        '--model adain.onnx --input style=FILE (docs/models.md)',
    });
  }
  if (spec.includes('/') || /\.onnx$/i.test(spec)) {
    refuseSize(spec, options.size);
    return loadFile(request);
  }
  const catalogue = await readCatalogue(options.folder);
  const image = findImage(catalogue, spec);
  if (image !== undefined) {
    refuseSize(spec, options.size);
    return loadImage(request, image.path, image.manifest);
  }
  const names = parseStyles(spec).map(({ name }) => name);
  const home = findStyles(catalogue, names, options.size, options.folder);
  return loadStyles(request, home.path, home.manifest);
}

function refuseSize(spec: string, size: ModelSize | undefined): void {
  if (size === undefined) return;
  throw new JobError('usage', `"${spec}" has only one size, so --size does not apply`, {
    hint: 'omit --size: it is for the styles that framescatter models lists with a size',
  });
}

async function loadStyles(request: Request, path: string, manifest: StylesManifest): Promise<LoadedModel> {
  const given = Object.entries(request.overrides).find(([, value]) => value !== undefined);
  if (given !== undefined) {
    throw new JobError(
      'model',
      `"${request.spec}" is fully described by "${path}", so --model-${given[0]} does not apply`,
    );
  }
  const [input] = request.inputs.keys();
  if (input !== undefined) {
    throw new JobError('model', `"${request.spec}" takes only frames, so --input ${input} does not apply`);
  }
  const styles = parseStyles(request.spec);
  const file = await resolveInside(path, manifest.file);
  const bytes = await readLimited(file, request.limit);
  const digest = checkedDigest(bytes, manifest.sha256, file);
  const proto = parseModel(bytes, file);
  const blend = await blendVectors(manifest, path, styles);
  const styled = withStyle(proto.graph ?? {}, manifest, blend.vector, file);
  const { graph, canvas } = onCanvas(styled, blend.canvas, request, file);
  const ends = graphEnds(graph, file, { input: manifest.input, output: manifest.output });
  proto.graph = graph;
  const described = { io: describeStyles(manifest, ends, file), scale: 1, multiple: manifest.multiple };
  const drawn = styles.filter(({ weight }) => weight > 0);
  const rows = drawn.map(({ name }) => manifest.styles.findIndex((style) => style.name === name));
  const int8 = manifest.int8 && (await readRanges(path, manifest.int8, manifest.styles.length, rows));
  const sources = [digest, ...blend.digests, ...(int8 === undefined ? [] : [int8.sha256]), styles, ...canvas];
  const model = finish(request, file, proto, ends.input, described, manifest.macsPerPixel, sources, []);
  return { ...model, size: sizeOf(manifest), precision: 'fp16', int8: int8?.convs, canvas: canvas[0] };
}

/** Returns the graph on its canvas as it is asked for, and the canvas in a list that is empty without one. */
function onCanvas(
  graph: GraphProto,
  canvas: Canvas | undefined,
  { canvas: factor = 1 }: Request,
  file: string,
): { readonly graph: GraphProto; readonly canvas: readonly Canvas[] } {
  if (canvas === undefined) return { graph, canvas: [] };
  const own = { ...canvas, strength: factor * canvas.strength };
  return { graph: withCanvas(graph, own, file), canvas: [own] };
}

async function loadImage(request: Request, path: string, manifest: ImageManifest): Promise<LoadedModel> {
  const file = await resolveInside(path, manifest.file);
  const bytes = await readLimited(file, request.limit);
  const digest = checkedDigest(bytes, manifest.sha256, file);
  const proto = parseModel(bytes, file);
  if (manifest.io === 'ports') return loadPorts(request, path, manifest, { file, proto, digest });
  const names = { input: manifest.input.name, output: manifest.output.name };
  const ends = graphEnds(proto.graph ?? {}, file, { ...names, constants: new Set(request.inputs.keys()) });
  const described = describeImage(manifest, ends, file, request.overrides);
  const frames = described.io.io === 'rgb' ? described.io.input : undefined;
  const constants = await readConstants(request, request.inputs, proto, file, frames);
  const { graph, canvas } = onCanvas(proto.graph ?? {}, canvasOf(manifest), request, file);
  proto.graph = graph;
  const int8 = manifest.int8 && (await readRanges(path, manifest.int8, 1, [0]));
  const sources = [digest, ...(int8 === undefined ? [] : [int8.sha256]), ...canvas];
  const model = finish(
    request,
    file,
    proto,
    ends.input,
    described,
    manifest.macsPerPixel,
    sources,
    [],
    constants,
  );
  return {
    ...model,
    precision: manifest.precision ?? model.precision,
    int8: int8?.convs,
    canvas: canvas[0],
  };
}

function canvasOf(manifest: RgbManifest | BlockManifest): Canvas | undefined {
  return manifest.io === 'i420' ? manifest.canvas : undefined;
}

async function loadFile(request: Request): Promise<LoadedModel> {
  const { spec, overrides } = request;
  for (const path of [spec.replace(/\.onnx$/i, '.json'), `${spec}.json`]) {
    if (path === spec || !(await exists(path))) continue;
    const manifest = await readManifest(path);
    if (manifest.kind === 'image') {
      const file = await resolveInside(path, manifest.file);
      if (file !== (await realpath(spec).catch(() => undefined))) {
        throw new JobError('model', `"${path}" describes "${file}", not "${spec}"`, {
          hint: 'correct its key "file"',
        });
      }
      return loadImage(request, path, manifest);
    }
    const names = manifest.styles.map((style) => style.name).join(', ');
    throw new JobError(
      'model',
      `"${spec}" is a network of several styles: give a style's name instead of the file`,
      {
        hint: `styles: ${names}`,
      },
    );
  }
  const bytes = await readLimited(spec, request.limit);
  const digest = checkedDigest(bytes, undefined, spec);
  const proto = parseModel(bytes, spec);
  const sources = request.inputs;
  const ends = graphEnds(proto.graph ?? {}, spec, { constants: new Set(sources.keys()) });
  const feeds = [{ name: ends.input.name, offsets: [0], stack: undefined }];
  const network = { file: spec, proto, ends, feeds, sources, known: factsOf(overrides) };
  const { constants, derived } = await describeNetwork(request, network, 'options');
  const notes = [`model without a manifest, treated as ${derived.found}`];
  return finish(request, spec, proto, ends.input, derived, undefined, [digest], notes, constants);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function checkRanges(
  strength: number,
  steady: number,
  canvas: number | undefined,
  { scale, multiple }: ModelOverrides,
): void {
  const within = (value: number | undefined, low: number, high: number) =>
    value === undefined || (value >= low && value <= high);
  const whole = (value: number | undefined, high: number) =>
    within(value, 1, high) && Number.isInteger(value ?? 1);
  if (!within(strength, 0, MAX_STRENGTH)) {
    throw new JobError('usage', `a strength of ${strength} is not between 0 and ${MAX_STRENGTH}`);
  }
  if (!within(canvas, 0, MAX_CANVAS)) {
    throw new JobError('usage', `a canvas of ${canvas} is not between 0 and ${MAX_CANVAS}`);
  }
  if (!within(steady, 0, MAX_STEADY)) {
    throw new JobError('usage', `a steadiness of ${steady} is not between 0 and ${MAX_STEADY}`);
  }
  if (!whole(scale, MAX_SCALE))
    throw new JobError('usage', `a model scale of ${scale} is not one of 1..${MAX_SCALE}`);
  if (!whole(multiple, MAX_MULTIPLE)) {
    throw new JobError(
      'usage',
      `a model multiple of ${multiple} is not a whole number from 1 to ${MAX_MULTIPLE}`,
    );
  }
}
