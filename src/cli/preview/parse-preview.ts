import { DEFAULT_MODEL } from '../../job/context/options.js';
import { clockText, parseClock } from '../../job/preview/clock-times.js';
import {
  ALL_STYLES,
  type AskedModels,
  LAYOUTS,
  MOST_STRENGTHS,
  MOST_TIMES,
  type PreviewForm,
  type PreviewOptions,
} from '../../job/preview/preview-options.js';
import { MAX_CANVAS } from '../../model/load/canvas.js';
import { MODEL_SIZES, type ModelSize } from '../../model/load/catalogue.js';
import { MAX_STRENGTH } from '../../model/load/manifest-fields.js';
import { MAX_STEADY } from '../../model/ports/steady.js';
import { formatOfName } from '../../pictures/formats.js';
import { isAddress } from '../../storage/location/location.js';
import { didYouMean } from '../../system/suggestion.js';
import { containerNamed } from '../../video/formats/container.js';
import { MOST_CUT_THRESHOLD } from '../../video/frames/scene-cuts.js';
import { encodingOf } from '../job/encoding.js';
import {
  deviceOptions,
  encodingOptions,
  MODEL_GROUP,
  networkOptions,
  readingOptions,
  STRENGTH_HELP,
} from '../job/job-options.js';
import { modelInputs, modelOverrides, refuseOtherPrecision } from '../job/model-values.js';
import { checkJob } from '../job/parse-job.js';
import {
  type CommandSpec,
  type OptionsOf,
  parseCommand,
  type Text,
  usageError,
} from '../parsing/command-line.js';
import { loggingOf, loggingOptions } from '../parsing/common-options.js';
import { optionValues, videoIndexOf } from '../parsing/option-values.js';

/** The request of `preview`. */
export interface PreviewCommand {
  readonly kind: 'preview';
  readonly options: PreviewOptions;
}

/** Default seconds of a comparison. */
const SECONDS = 4;
const MOST_SECONDS = 60;
const GROUP = 'Preview:';

export const PREVIEW = {
  name: 'preview',
  about: 'Show a few frames through models, to choose before a job',
  forms: ['INPUT SHEET [options]', 'INPUT CLIP [options]'],
  examples: [
    'framescatter preview in.mp4 sheet.png',
    'framescatter preview in.mp4 sheet.jpg --at 0:10,0:40 --model wave,udnie',
    'framescatter preview in.mp4 sheet.png --model wave --size fast,fine',
    'framescatter preview in.mp4 sheet.png --model wave --strength 0.3,0.6,1',
    'framescatter preview photo.jpg sheet.png --model "wave:0.6,udnie:0.4"',
    'framescatter preview in.mp4 both.mp4 --at 0:10 --seconds 4 --model wave',
    'mpirun -np 4 framescatter preview in.mp4 sheet.png',
  ],
  text:
    'SHEET is a PNG, JPEG, WebP or TIFF, at most 2000 pixels wide: a row for each time, with the source and ' +
    'each model. Models get whole frames, as in a job, and only the results are made smaller. CLIP is a few ' +
    'seconds with the source on the left, without sound: mp4, mov, mkv or webm. INPUT and the output may be ' +
    'https addresses in Azure Blob storage.',
  epilogue: `Nothing is kept from one preview to the next.
Exit codes: 0 done, 2 usage, 75 stopped, 1 anything else.`,
  repeatable: ['model', 'input'],
  options: (parser) => {
    const own = parser
      .option('at', {
        type: 'string',
        group: GROUP,
        describe: `times with commas, at most ${MOST_TIMES}: 10, 0:10, 1:02:03.5; default: three, spread over the video; of CLIP the start, by default in the middle`,
      })
      .option('seconds', {
        type: 'number',
        group: GROUP,
        describe: `length of CLIP, up to ${MOST_SECONDS}; default ${SECONDS}`,
      })
      .option('layout', {
        type: 'string',
        choices: LAYOUTS,
        group: GROUP,
        describe: `how CLIP shows source and result; default ${LAYOUTS[0]}`,
      })
      .option('model', {
        type: 'string',
        group: MODEL_GROUP,
        describe: `styles with commas, "${ALL_STYLES}", a blend with its weights ("wave:0.6,udnie:0.4") or an ONNX file; may be repeated; default ${ALL_STYLES}, of CLIP ${DEFAULT_MODEL}`,
      })
      .option('size', {
        type: 'string',
        group: MODEL_GROUP,
        describe: `sizes of the styles with commas: ${MODEL_SIZES.join(', ')}`,
      })
      .option('strength', {
        type: 'string',
        group: MODEL_GROUP,
        describe: `numbers with commas: ${STRENGTH_HELP}`,
      });
    const shared = encodingOptions(readingOptions(deviceOptions(networkOptions(own))));
    return loggingOptions(shared, 'Output:');
  },
} satisfies CommandSpec<unknown>;

type Parsed = OptionsOf<typeof PREVIEW>;

const usage = (message: string) => usageError(PREVIEW.name, message);
const { inRange, autoOrCount } = optionValues(usage);

/**
 * Parses what follows `preview`. Pure.
 *
 * @throws {JobError} usage: when the arguments are not valid.
 */
export function parsePreview(argv: readonly string[]): PreviewCommand | Text {
  const given = parseCommand(PREVIEW, argv);
  if (typeof given === 'string') return { kind: 'text', text: given };
  const { options: parsed } = given;
  const names = [...given.words, ...given.after];
  const [input = '', output = ''] = names;
  if (names.length !== 2 || input === '' || output === '') {
    const got = names.length === 0 ? 'nothing' : names.join(' ');
    throw usage(`preview takes an INPUT and an output (got ${got})`);
  }
  const name = isAddress(output) ? (output.split('?', 1)[0] ?? '') : output;
  const form = formOf(name, parsed);
  const asked = askedModels(parsed, form);
  refuseOtherPrecision(parsed, usage);
  const options: PreviewOptions = {
    ...checkJob(['INPUT.mp4', 'OUTPUT.mp4']), // what a job is made with by default
    ...{ input, output, form, asked, at: timesOf(parsed.at, form) },
    canvas: inRange('canvas', parsed.canvas, 0, MAX_CANVAS),
    steady: inRange('steady', parsed.steady, 0, MAX_STEADY) ?? 0,
    modelOverrides: modelOverrides(parsed, usage),
    modelInputs: modelInputs(parsed.input, usage),
    cutThreshold: inRange('cut-threshold', parsed['cut-threshold'], 0, MOST_CUT_THRESHOLD),
    provider: parsed.provider,
    precision: parsed.precision,
    threads: autoOrCount('threads', parsed.threads, 1024),
    ...encodingOf(parsed, name, usage),
    overwrite: parsed.overwrite,
    tolerant: parsed.tolerant,
    video: videoIndexOf(usage, parsed.video),
    ...loggingOf(PREVIEW.name, parsed),
  };
  return { kind: 'preview', options };
}

/** Returns what the name of the output says. */
function formOf(name: string, parsed: Parsed): PreviewForm {
  const format = formatOfName(name);
  if (format !== undefined) {
    const videos = ['seconds', 'layout', 'crf', 'preset', 'codec', 'depth'] as const;
    const given = videos.find((one) => parsed[one] !== undefined);
    if (given !== undefined) throw usage(`--${given} goes with a video as output, not with a sheet`);
    return { kind: 'sheet', format };
  }
  if (containerNamed(name) === undefined) {
    throw usage(
      `the output is a sheet (.png, .jpg, .webp, .tif) or a video (.mp4, .mov, .mkv, .webm), which the name ${JSON.stringify(name)} does not say`,
    );
  }
  const seconds = inRange('seconds', parsed.seconds ?? SECONDS, 0.1, MOST_SECONDS);
  return { kind: 'comparison', seconds, layout: parsed.layout ?? LAYOUTS[0] };
}

function timesOf(text: string | undefined, { kind }: PreviewForm): readonly number[] | undefined {
  if (text === undefined) return undefined;
  const times = text.split(',').map((one) => {
    const time = parseClock(one);
    if (time !== undefined) return time;
    throw usage(`--at takes times such as 10, 0:10 or 1:02:03.5, not ${JSON.stringify(one)}`);
  });
  if (kind === 'comparison' && times.length > 1)
    throw usage(`a video as output takes one time after --at, and ${times.length} are given`);
  if (times.length > MOST_TIMES) throw usage(`--at takes at most ${MOST_TIMES} times`);
  const twice = times.find((time, at) => times.indexOf(time) !== at);
  if (twice !== undefined) throw usage(`--at names ${clockText(twice)} twice`);
  return times;
}

function askedModels(parsed: Parsed, { kind }: PreviewForm): AskedModels {
  const given = parsed.model === undefined ? [] : [parsed.model].flat();
  const named = given.flatMap(modelsIn);
  if (named.includes('')) throw usage('--model takes names of styles, or a file; one of them is empty');
  const models = named.length > 0 ? named : [kind === 'sheet' ? ALL_STYLES : DEFAULT_MODEL];
  const sizes = listed(parsed.size).map((text): ModelSize => {
    const size = MODEL_SIZES.find((one) => one === text);
    if (size !== undefined) return size;
    const list = MODEL_SIZES.join(', ');
    throw usage(
      `--size takes ${list}, or several with commas, not ${JSON.stringify(text)}${didYouMean(text, MODEL_SIZES)}`,
    );
  });
  const strengths = listed(parsed.strength).map((text) => {
    const value = text === '' ? Number.NaN : Number(text);
    if (value >= 0 && value <= MAX_STRENGTH) return value;
    throw usage(
      `--strength takes numbers from 0 to ${MAX_STRENGTH} with commas, not ${JSON.stringify(text)}`,
    );
  });
  if (strengths.length > MOST_STRENGTHS) throw usage(`--strength takes at most ${MOST_STRENGTHS} numbers`);
  for (const [option, values] of Object.entries({ model: models, size: sizes, strength: strengths })) {
    const twice = values.find((value, at) => values.indexOf(value as never) !== at);
    if (twice !== undefined) throw usage(`--${option} names ${twice} twice`);
    if (kind === 'comparison' && (values.length > 1 || values[0] === ALL_STYLES))
      throw usage(`a video as output takes one --${option}; a picture as output shows several`);
  }
  return { models, sizes, strengths };
}

/** Returns the models that a value of --model names. A blend, a file or an address is one. */
function modelsIn(text: string): readonly string[] {
  const isOne = text.includes(':') || text.includes('/') || /\.onnx$/i.test(text);
  return isOne ? [text] : listed(text);
}

function listed(text: string | undefined): readonly string[] {
  return text === undefined ? [] : text.split(',').map((one) => one.trim());
}
