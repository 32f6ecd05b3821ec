/** The options of a job, as --help lists them. */

import type { Argv } from 'yargs';
import { DEFAULT_MODEL, HWACCELS, SPLITS, STALL_TIMEOUT } from '../../job/context/options.js';
import { DEFAULT_SIZE, MODEL_SIZES } from '../../model/load/catalogue.js';
import { SCHEDULES } from '../../pipeline/schedule.js';
import { PROGRESS_CHOICES } from '../../report/log.js';
import { CHROMA_CHOICES } from '../../video/codecs/chroma.js';
import { CODECS } from '../../video/codecs/codec.js';
import { DEPTH_CHOICES } from '../../video/codecs/depth.js';
import { AUDIO_CODECS } from '../../video/streams/stream-choices.js';
import { loggingOptions } from '../parsing/common-options.js';
import { encoderSettingOptions } from './encoder-settings.js';
import { CHROMA_HELP, CRF_HELP, codecNamed, DEPTH_HELP, PRESET_HELP } from './encoding.js';
import { frameSizeOptions } from './frame-size.js';
import { limitOptions } from './limit-options.js';
import { partOptions } from './part-options.js';

export const MODEL_GROUP = 'Model:';
export const STRENGTH_HELP = 'from the source (0) to the model (1) and past it (1.5); default 1';

/** Adds all of them to a parser. */
export function jobOptions<T>(parser: Argv<T>) {
  const sized = frameSizeOptions(readingOptions(runOptions(modelOptions(parser))), RUN_GROUP);
  return queueOptions(outputOptions(partOptions(sized, RUN_GROUP)));
}

function modelOptions<T>(parser: Argv<T>) {
  const group = MODEL_GROUP;
  const styles = parser
    .option('model', {
      type: 'string',
      default: DEFAULT_MODEL,
      group,
      describe: 'a style (see models), a blend such as "wave:0.6,udnie:0.4", or an ONNX file',
    })
    .option('size', {
      type: 'string',
      choices: MODEL_SIZES,
      group,
      describe: `size of a style, where it has several (see models); default ${DEFAULT_SIZE}`,
    })
    .option('strength', {
      type: 'number',
      group,
      describe: STRENGTH_HELP,
    });
  return networkOptions(styles);
}

/** Adds the options of a model beside its name, size and strength. */
export function networkOptions<T>(parser: Argv<T>) {
  const group = MODEL_GROUP;
  return parser
    .option('canvas', {
      type: 'number',
      group,
      describe: "how much walls, skies and roads are painted: 0 not, 1 as the style's own default, up to 3",
    })
    .option('steady', {
      type: 'number',
      group,
      describe:
        'against flicker: how much to keep of the frame before, where the source stays, 0 to 1; default 0',
    })
    .option('input', {
      type: 'string',
      group,
      describe:
        'NAME=VALUE: a value for another input of an ONNX file: a number, numbers with commas, a .npy file or a picture; may be repeated',
    })
    .option('cut-threshold', {
      type: 'number',
      group,
      describe:
        'a model that stops at scene cuts, or --steady: how far apart two frames are at one, 0 to 765; default 30',
    })
    .option('model-range', {
      type: 'string',
      choices: ['0..1', '0..255', '-1..1'] as const,
      group,
      describe: 'an ONNX file without a manifest: what its samples mean',
    })
    .option('model-channels', {
      type: 'string',
      choices: ['rgb', 'bgr'] as const,
      group,
      describe: 'likewise: the order of its channels',
    })
    .option('model-layout', {
      type: 'string',
      choices: ['nchw', 'nhwc'] as const,
      group,
      describe: 'likewise: where the channels are',
    })
    .option('model-scale', {
      type: 'number',
      choices: [1, 2, 3, 4] as const,
      group,
      describe: 'likewise: output size over input size',
    })
    .option('model-multiple', {
      type: 'number',
      group,
      describe: 'likewise: width and height must be multiples of this',
    });
}

const RUN_GROUP = 'Running:';

/** Adds the options that say where and how precisely a model runs. */
export function deviceOptions<T>(parser: Argv<T>) {
  const group = RUN_GROUP;
  return parser
    .option('provider', {
      type: 'string',
      choices: ['auto', 'cpu', 'cuda', 'tensorrt', 'webgpu'] as const,
      default: 'auto' as const,
      group,
      describe:
        'where to run the model; auto: CUDA where it works, then WebGPU on a GPU with Vulkan, then the CPU',
    })
    .option('precision', {
      type: 'string',
      choices: ['auto', 'fp16', 'fp32', 'int8'] as const,
      default: 'auto' as const,
      group,
      describe:
        'auto: on GPUs fp16 for styles, else what the manifest says, on CPUs fp32; fp16: on GPUs; int8: styles on CPUs, where every processor has VNNI or AMX',
    })
    .option('threads', {
      type: 'string',
      default: 'auto',
      group,
      describe: 'CPU threads for inference, per rank',
    });
}

function runOptions<T>(parser: Argv<T>) {
  const group = RUN_GROUP;
  const work = deviceOptions(parser)
    .option('batch', { type: 'string', default: 'auto', group, describe: 'frames per inference' })
    .option('tile', {
      type: 'string',
      default: 'auto',
      group,
      describe:
        'run the model on tiles of a frame of at most so many pixels a side, or off; auto: where a frame does not fit into memory and tiles give the same result',
    })
    .option('schedule', {
      type: 'string',
      choices: SCHEDULES,
      default: 'even' as const,
      group,
      describe: 'even: as many frames for every rank; dynamic: by measured speed',
    })
    .option('work-dir', {
      type: 'string',
      group,
      describe: 'journal and segments; default OUTPUT.framescatter. Of many videos, a folder in it for each',
    })
    .option('segment-seconds', {
      type: 'number',
      default: 4,
      group,
      describe: 'length of the segments that a stopped job can be resumed from',
    })
    .option('split', {
      type: 'string',
      choices: SPLITS,
      default: 'frames' as const,
      group,
      describe:
        'frames: rank 0 decodes and encodes; segments: every rank does, for a piece of the video at a time; auto: the faster one',
    })
    .option('hwaccel', {
      type: 'string',
      choices: HWACCELS,
      default: 'none' as const,
      group,
      describe:
        'video engines of NVIDIA GPUs; auto: NVDEC decodes and NVENC encodes where a trial works; nvdec, nvenc, cuda (both): they do, or the job fails',
    })
    .option('stall-timeout', {
      type: 'number',
      default: STALL_TIMEOUT,
      group,
      describe: 'end the job, resumably, after so many seconds without progress; 0: never',
    });
  return limitOptions(work, group)
    .option('restart', {
      type: 'boolean',
      default: false,
      group,
      describe: 'discard the work of an earlier, stopped run',
    })
    .option('strict', {
      type: 'boolean',
      default: false,
      group,
      describe: 'fail if any output of the model is NaN or infinite; otherwise warn',
    });
}

/** Adds the options that say how a video is read. */
export function readingOptions<T>(parser: Argv<T>) {
  const group = RUN_GROUP;
  return parser
    .option('tolerant', {
      type: 'boolean',
      default: false,
      group,
      describe: 'continue past damaged frames; otherwise damage is an error',
    })
    .option('video', {
      type: 'string',
      group,
      describe: 'index of the video stream, as probe prints it; default: the main one',
    });
}

const SUBTITLES = ['copy', 'none'] as const;

const OUTPUT_GROUP = 'Output:';

/** Adds the options that say how a video is written. */
export function encodingOptions<T>(parser: Argv<T>) {
  const group = OUTPUT_GROUP;
  return parser
    .option('overwrite', { type: 'boolean', default: false, group, describe: 'replace existing outputs' })
    .option('codec', {
      type: 'string',
      choices: CODECS,
      group,
      coerce: codecNamed,
      describe: 'video codec; default h264, in .webm vp9',
    })
    .option('crf', { type: 'number', group, describe: CRF_HELP })
    .option('preset', { type: 'string', group, describe: PRESET_HELP })
    .option('depth', {
      type: 'string',
      choices: DEPTH_CHOICES,
      group,
      describe: DEPTH_HELP,
    });
}

function outputOptions<T>(parser: Argv<T>) {
  const group = OUTPUT_GROUP;
  const outputs = encoderSettingOptions(encodingOptions(parser), group)
    .option('mkdir', {
      type: 'boolean',
      default: false,
      group,
      describe: 'make missing folders of OUTPUT, --table, --output, --report and --trace',
    })
    .option('chroma', {
      type: 'string',
      choices: CHROMA_CHOICES,
      group,
      describe: CHROMA_HELP,
    })
    .option('audio', {
      type: 'string',
      group,
      describe: `audio: copy (the default: converted only where the container cannot hold it), none, or a codec for all of it, with kbit/s if you like, such as aac:192k: ${Object.keys(AUDIO_CODECS).join(', ')}`,
    })
    .option('subtitles', {
      type: 'string',
      choices: SUBTITLES,
      group,
      describe: 'copy (the default) or none',
    })
    .option('format', {
      type: 'string',
      group,
      describe:
        'where the name of OUTPUT does not say it: mp4, mov, mkv, webm; for tables parquet, jsonl, csv',
    })
    .option('table', {
      type: 'string',
      group,
      describe:
        "write the model's table to this file too: .parquet, .jsonl or .csv; such an ending alone is appended to OUTPUT",
    })
    .option('output', {
      type: 'string',
      group,
      describe:
        'NAME=FILE: write a further table (.csv ...) or picture (.mp4 ...) of the model, its output NAME, to this file too; may be repeated',
    })
    .option('every', {
      type: 'number',
      group,
      describe: 'where OUTPUT is a table: take only every so many frames, from the first; default 1',
    })
    .option('fps', {
      type: 'string',
      group,
      describe:
        'where OUTPUT is a table: take so many frames per second, by their times: 1, 0.5 or 30000/1001',
    })
    .option('frame-rate', {
      type: 'string',
      group,
      describe:
        'where INPUT is a sequence (shot/%06d.png): its frames per second, such as 24 or 30000/1001; default 25',
    })
    .option('start-number', {
      type: 'number',
      group,
      describe:
        'number of the first picture of a sequence; default: the first in the folder of INPUT, which OUTPUT keeps, or 1',
    })
    .option('report', {
      type: 'string',
      group,
      describe: 'write a report of the run to this file: a page if its name ends in .html, otherwise JSON',
    })
    .option('plan', {
      type: 'string',
      group,
      describe: 'compare the speed with this file, which "plan --json" made',
    })
    .option('trace', {
      type: 'string',
      group,
      describe:
        'write when each stage of each rank worked to this file, for ui.perfetto.dev or chrome://tracing',
    });
  return loggingOptions(outputs, group).option('progress', {
    type: 'string',
    choices: PROGRESS_CHOICES,
    default: 'auto' as const,
    group,
    describe: 'a bar where standard error is a terminal (else a line every 5 s), a bar always, or nothing',
  });
}

function queueOptions<T>(parser: Argv<T>) {
  const group = 'Many videos, or pictures:';
  return parser
    .option('out-dir', {
      type: 'string',
      group,
      describe:
        'folder for the outputs; every INPUT is a video or picture, or a folder of either; finished outputs are skipped',
    })
    .option('list', {
      type: 'string',
      group,
      describe: 'a text file that names more INPUTs, one a line (or each followed by a NUL character)',
    })
    .option('max-failures', {
      type: 'number',
      group,
      describe: 'pictures that may fail without failing the job; default 0',
    });
}
