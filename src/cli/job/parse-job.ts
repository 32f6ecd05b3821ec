import { basename } from 'node:path';
import {
  type JobOptions,
  type PicturesOptions,
  type PicturesTarget,
  type QueueOptions,
  type RunOptions,
  STALL_TIMEOUT,
  type TileChoice,
} from '../../job/context/options.js';
import { mayBeFolder } from '../../job/output/output-folders.js';
import { isEnding, tableBeside } from '../../job/output/output-name.js';
import { MOST_BATCH } from '../../job/prepare/batch.js';
import { MAX_CANVAS } from '../../model/load/canvas.js';
import { MAX_STRENGTH } from '../../model/load/manifest-fields.js';
import { MAX_STEADY } from '../../model/ports/steady.js';
import { formatOfName } from '../../pictures/formats.js';
import { isAddress } from '../../storage/location/location.js';
import { isSequence } from '../../storage/location/numbered-names.js';
import { isVideoName } from '../../storage/video-listing.js';
import { outputTable, tableFormatNamed, tableFormatOf } from '../../table/write.js';
import { containerFor, containerNamed } from '../../video/formats/container.js';
import type { Rational } from '../../video/formats/rational.js';
import { MOST_CUT_THRESHOLD } from '../../video/frames/scene-cuts.js';
import {
  AUDIO_CODECS,
  type AudioChoice,
  audioChoice,
  KEEP_STREAMS,
} from '../../video/streams/stream-choices.js';
import {
  type CommandSpec,
  type OptionsOf,
  parseCommand,
  type Text,
  usageError,
} from '../parsing/command-line.js';
import { loggingOf } from '../parsing/common-options.js';
import { optionValues, rationalOf, videoIndexOf } from '../parsing/option-values.js';
import { encoderSettingsOf } from './encoder-settings.js';
import { chromaOf, encodingOf } from './encoding.js';
import { sizeRequest } from './frame-size.js';
import { jobOptions } from './job-options.js';
import { modelInputs, modelOverrides, refuseOtherPrecision } from './model-values.js';
import { partOf, withPartNames } from './part-options.js';
import { refuseForSequences, refuseSeveralSequences, sequenceOptions } from './sequences.js';

/** A job, or a queue of jobs. What is in folders decides whether it is a job of pictures: see route.ts. */
export type JobCommand =
  | { readonly kind: 'pictures'; readonly options: PicturesOptions }
  | { readonly kind: 'job'; readonly options: JobOptions }
  | { readonly kind: 'queue'; readonly options: QueueOptions };

export const JOB = {
  name: 'job',
  about: 'Put every frame of videos, or pictures, through a model',
  forms: ['INPUT OUTPUT [options]', 'INPUT ... --out-dir DIR [options]', 'INPUT ... TABLE [options]'],
  examples: [
    'framescatter in.mp4 out.mp4 --model wave',
    'mpirun -np 8 --bind-to none framescatter in.mp4 out.mp4 --model wave',
    'framescatter in.mov out.mov --codec prores --preset hq',
    'framescatter in.mp4 out.mp4 --model "wave:0.6,udnie:0.4" --strength 0.8',
    'framescatter in.mp4 out.mp4 --model adain.onnx --input style=painting.jpg',
    'framescatter in.mp4 detections.parquet --model yolo.onnx',
    'framescatter rushes/ b.mov --out-dir styled/',
    'framescatter rushes/ --out-dir tables/ --format parquet --model yolo.onnx',
    'framescatter in.mp4 frames/%06d.png --model wave',
    'framescatter shot/%06d.png out.mp4 --frame-rate 24 --model wave',
    'framescatter photo.jpg out.jpg --model wave',
    'framescatter photos/ --out-dir styled/ --model wave',
    'framescatter photos/ labels.parquet --model resnet50.onnx',
  ],
  text:
    'The word job may be left out. OUTPUT has the same frames, times, audio, subtitles and tags; in a folder, it ' +
    'has the name of INPUT. An INPUT of pictures is a JPEG, PNG, WebP or TIFF, a folder of them, or a quoted ' +
    'pattern. %06d in a name stands for the frames of a video as numbered pictures. INPUT, OUTPUT, DIR, ' +
    '--model and --work-dir may be https addresses in Azure Blob storage. Names that begin with a dash go after --.',
  epilogue: `The same command resumes a job that was stopped.
Exit codes: 0 done, 2 usage, 75 stopped but resumable, 1 anything else.
Environment: FFMPEG_PATH, FFPROBE_PATH; limits: docs/troubleshooting.md.`,
  repeatable: ['input', 'output', 'encoder-option'],
  options: jobOptions,
} satisfies CommandSpec<unknown>;

const MOST_HOURS = 100_000;

/** Bounds of a price for an hour: a zero is a mistake. */
const LEAST_PRICE = 1e-6;
const MOST_PRICE = 1e9;

const usage = (message: string) => usageError(JOB.name, message);
const { inRange, whole, autoOrCount } = optionValues(usage);

/**
 * Parses the arguments of a job. Pure.
 *
 * @throws {JobError} usage: when they are not a job's.
 */
export function parseJob(argv: readonly string[]): JobCommand | Text {
  const given = parseCommand(JOB, withPartNames(argv));
  if (typeof given === 'string') return { kind: 'text', text: given };
  const { options: parsed, words, after } = given;
  const names = [...words, ...after];
  const { list, 'out-dir': outDir } = parsed;
  const options = runOptionsOf(parsed, outDir === undefined ? (names.at(-1) ?? '') : '');
  if (outDir === undefined) {
    const several = picturesOf(names, list, options);
    if (several !== undefined) return { kind: 'pictures', options: several };
    if (list !== undefined) throw usage('--list goes with --out-dir, or with a table of pictures as OUTPUT');
    const [input = '', output = ''] = names;
    if (names.length !== 2 || input === '' || output === '') {
      const got = names.length === 0 ? 'nothing' : names.join(' ');
      throw usage(`a job takes an INPUT and an OUTPUT, or any number of INPUTs and --out-dir (got ${got})`);
    }
    return { kind: 'job', options: singleJob(parsed, input, output) };
  }
  refuseSeveralSequences(names, parsed, usage);
  const areTables = tableFormatNamed(options.format) !== undefined;
  refuseForKind(areTables, parsed);
  const single = (['output', 'plan', 'trace'] as const).find((name) => parsed[name] !== undefined);
  if (single !== undefined) throw usage(`--${single} goes with one INPUT and one OUTPUT`);
  if (options.table !== undefined && !isEnding(options.table))
    throw usage(
      `--table ${options.table} goes with one INPUT and one OUTPUT; with --out-dir it is the ending of the tables' names, such as .parquet`,
    );
  if (names.includes('') || (list === undefined && names.length === 0)) {
    throw usage('--out-dir goes with at least one INPUT, or --list');
  }
  return { kind: 'queue', options: { ...options, inputs: names, list, outDir } };
}

/**
 * Returns the options of a job of one INPUT.
 *
 * @throws {JobError} usage: when they do not go with its OUTPUT, or have values that they do not take.
 */
export function singleJob(parsed: Parsed, input: string, output: string): JobOptions {
  const options = runOptionsOf(parsed, output);
  refuseOtherContainer(output, options.format);
  refuseForSequences({ input, output }, parsed, usage);
  const isTable = outputTable(pathOf(output), options.format) !== undefined;
  refuseForKind(isTable, parsed);
  const mayBePictures = isTable && !isVideoName(basename(pathOf(input))) && !isSequence(input);
  if (parsed['max-failures'] !== undefined && !mayBePictures)
    throw usage('--max-failures goes with pictures');
  const table = mayBeFolder(output) ? options.table : tableBeside(output, options.table);
  return { ...options, table, input, output };
}

/**
 * Checks that the arguments are those of one job that something else will run, and run again when it was
 * stopped. Returns its options.
 *
 * @throws {JobError} usage: when they are not.
 */
export function checkJob(argv: readonly string[]): JobOptions {
  const command = parseJob(argv);
  if (command.kind === 'pictures') {
    const what = command.options.target.kind === 'table' ? 'a table of pictures' : 'a picture';
    throw usage(`OUTPUT is ${what}: such a job is run as it is, and neither submitted nor watched`);
  }
  if (command.kind !== 'job') throw usage('this is not a valid job command line');
  const { options } = command;
  const limit = options.maxCost !== undefined ? 'max-cost' : 'max-hours';
  if (options.maxCost !== undefined || options.maxHours !== undefined)
    throw usage(
      `--${limit} counts each run by itself, and a stopped job is run again here: it would bound nothing`,
    );
  return options;
}

/** Refuses a --format that contradicts the name of the output. */
function refuseOtherContainer(output: string, format: string | undefined): void {
  if (format === undefined) return;
  const own = containerNamed(pathOf(output))?.name;
  const table = tableFormatNamed(format);
  if (table === undefined) {
    if (own === undefined || own === containerFor('', format).name) return;
    throw usage(`--format ${format} contradicts the name of OUTPUT, which says ${own}`);
  }
  const named = tableFormatOf(pathOf(output));
  if (own === undefined && (named === undefined || named === table)) return;
  throw usage(`--format ${format} contradicts the name of OUTPUT, which says ${own ?? named}`);
}

/** Returns the job of pictures that names alone say: one picture as OUTPUT, or a table of several inputs. */
function picturesOf(
  names: readonly string[],
  list: string | undefined,
  options: RunOptions,
): PicturesOptions | undefined {
  const [inputs, name = ''] = [names.slice(0, -1), names.at(-1)];
  if (names.length < 3 && list === undefined && names.some(isSequence)) return undefined;
  if (names.includes('') || list === '' || options.format !== undefined) return undefined;
  const target = (kind: PicturesTarget['kind']): PicturesOptions => {
    return { ...options, inputs, list, target: { kind, name } };
  };
  const several = inputs.length > 1 || list !== undefined;
  if (several && tableFormatOf(pathOf(name)) !== undefined) return target('table');
  return inputs.length === 1 && formatOfName(pathOf(name)) !== undefined ? target('picture') : undefined;
}

export type Parsed = OptionsOf<typeof JOB>;

/** Refuses options that have no effect where OUTPUT is a table, or where it is none. */
function refuseForKind(isTable: boolean, parsed: Parsed): void {
  if (!isTable) {
    const sampled = (['every', 'fps'] as const).find((name) => parsed[name] !== undefined);
    if (sampled === undefined) return;
    throw usage(`--${sampled} goes with a table as OUTPUT, or --format parquet: a video keeps every frame`);
  }
  const encoding = ['crf', 'bitrate', 'encoder-option', 'preset', 'codec', 'depth', 'chroma'] as const;
  const option = (['table', ...encoding, 'audio', 'subtitles'] as const).find(
    (name) => parsed[name] !== undefined,
  );
  if (option !== undefined) throw usage(`--${option} does not apply where OUTPUT is a table`);
  const video = [...furtherOutputs(parsed.output)].find(
    ([, file]) => containerNamed(pathOf(file)) !== undefined,
  );
  if (video !== undefined)
    throw usage(`--output ${video[0]} is a video, which goes beside a video: OUTPUT is a table`);
}

function pathOf(name: string): string {
  return isAddress(name) ? (name.split('?', 1)[0] ?? '') : name;
}

/** `output` is the name of the output; empty if there are several. */
function runOptionsOf(parsed: Parsed, output: string): RunOptions {
  refuseOtherPrecision(parsed, usage);
  const { hwaccel } = parsed;
  if (parsed.tolerant && (hwaccel === 'nvdec' || hwaccel === 'cuda')) {
    throw usage(`--tolerant decodes in software, which --hwaccel ${hwaccel} excludes`);
  }
  const name = parsed.format === undefined ? pathOf(output) : `video.${parsed.format}`;
  const encoding = encodingOf(parsed, name, usage);
  return {
    model: parsed.model,
    size: parsed.size,
    strength: inRange('strength', parsed.strength, 0, MAX_STRENGTH),
    steady: inRange('steady', parsed.steady, 0, MAX_STEADY) ?? 0,
    canvas: inRange('canvas', parsed.canvas, 0, MAX_CANVAS),
    modelOverrides: modelOverrides(parsed, usage),
    modelInputs: modelInputs(parsed.input, usage),
    cutThreshold: inRange('cut-threshold', parsed['cut-threshold'], 0, MOST_CUT_THRESHOLD),
    provider: parsed.provider,
    precision: parsed.precision,
    batch: autoOrCount('batch', parsed.batch, MOST_BATCH),
    tile: tileChoice(parsed.tile),
    threads: autoOrCount('threads', parsed.threads, 1024),
    schedule: parsed.schedule,
    ...encoding,
    ...encoderSettingsOf(parsed, encoding.codec, usage),
    chroma: chromaOf(encoding, parsed.chroma, usage),
    audio: askedAudio(parsed.audio),
    subtitles: parsed.subtitles === 'none' ? 'none' : 'keep',
    format: parsed.format,
    segmentSeconds: inRange('segment-seconds', parsed['segment-seconds'], 0.1, 3600) ?? 4,
    split: parsed.split,
    stallTimeout: stallTimeout(parsed['stall-timeout']),
    maxHours: inRange('max-hours', parsed['max-hours'], 0, MOST_HOURS) || undefined,
    price: inRange('price', parsed.price, LEAST_PRICE, MOST_PRICE),
    maxCost: maxCost(parsed),
    plan: parsed.plan,
    hwaccel,
    workDir: parsed['work-dir'],
    restart: parsed.restart,
    overwrite: parsed.overwrite,
    mkdir: parsed.mkdir,
    tolerant: parsed.tolerant,
    frameSize: sizeRequest(parsed, usage),
    strict: parsed.strict,
    video: videoIndexOf(usage, parsed.video),
    part: partOf(parsed, usage),
    report: parsed.report,
    trace: parsed.trace,
    table: parsed.table,
    outputs: furtherOutputs(parsed.output),
    every: whole('every', parsed.every, 1, 1e6) ?? 1,
    fps: framesPerSecond(parsed),
    ...sequenceOptions(parsed, usage),
    maxFailures: whole('max-failures', parsed['max-failures'], 0, 1e9),
    ...loggingOf(JOB.name, parsed),
    progress: parsed.progress,
  };
}

/** Bounds of the side of a tile, in pixels. */
const LEAST_TILE = 64;
const MOST_TILE = 65_536;

function tileChoice(text: string): TileChoice {
  if (text === 'auto' || text === 'off') return text;
  const side = /^[1-9]\d*$/.test(text) ? Number(text) : 0;
  if (side >= LEAST_TILE && side <= MOST_TILE) return side;
  throw usage(`--tile takes auto, off, or ${LEAST_TILE} to ${MOST_TILE} pixels, not ${JSON.stringify(text)}`);
}

function askedAudio(text: string | undefined): AudioChoice {
  if (text === undefined) return KEEP_STREAMS.audio;
  const choice = audioChoice(text);
  if (choice !== undefined) return choice;
  throw usage(
    `--audio takes copy, none, or a codec (${Object.keys(AUDIO_CODECS).join(', ')}) such as aac or aac:192k, not ${JSON.stringify(text)}`,
  );
}

/** Returns the value of --max-cost, which means nothing without a price. */
function maxCost({ 'max-cost': cost, price }: Parsed): number | undefined {
  if (cost !== undefined && price === undefined)
    throw usage('--max-cost needs --price, the price of a node for an hour');
  return inRange('max-cost', cost, LEAST_PRICE, Number.MAX_SAFE_INTEGER);
}

/** The most frames per second: no video has more. */
const MOST_FPS = 10_000;

/** Returns the value of --fps, in lowest terms. */
function framesPerSecond({ fps, every }: Parsed): Rational | undefined {
  if (fps === undefined) return undefined;
  if (every !== undefined) throw usage('--fps and --every exclude each other');
  const value = rationalOf(fps);
  if (value !== undefined && value.num <= MOST_FPS * value.den) return value;
  throw usage(
    `--fps takes a number above 0, at most ${MOST_FPS}, such as 1, 0.5 or 30000/1001, not ${JSON.stringify(fps)}`,
  );
}

/** Returns the values of --output, by the names of the graph's outputs. */
function furtherOutputs(given: string | readonly string[] | undefined): ReadonlyMap<string, string> {
  const outputs = new Map<string, string>();
  for (const text of given === undefined ? [] : [given].flat()) {
    const [, name = '', file = ''] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
    if (tableFormatOf(pathOf(file)) === undefined && containerNamed(pathOf(file)) === undefined) {
      throw usage(
        `--output takes NAME=FILE, where FILE ends in .parquet, .jsonl or .csv, or in .mp4, .mov, .mkv or .webm, not ${JSON.stringify(text)}`,
      );
    }
    if (outputs.has(name)) throw usage(`--output ${name} is given twice`);
    outputs.set(name, file);
  }
  return outputs;
}

function stallTimeout(seconds: number): number {
  if (seconds === 0) return 0;
  return inRange('stall-timeout', seconds, 5, 1e6) ?? STALL_TIMEOUT;
}
