/** Values of the options of a model, as every command with a model takes them. Pure. */
import type { ModelOverrides } from '../../model/load/derive-manifest.js';
import { MAX_MULTIPLE } from '../../model/load/manifest-fields.js';
import { type ConstantSource, constantSource } from '../../model/ports/constant-source.js';
import type { PrecisionChoice } from '../../model/session/precision.js';
import { PROVIDERS } from '../../model/session/providers.js';
import type { JobError } from '../../system/errors.js';
import type { ProviderName } from '../../system/native.js';
import { optionValues } from '../parsing/option-values.js';

type Usage = (message: string) => JobError;

/** The options that say what a graph does not. */
interface GraphOptions {
  readonly 'model-range': ModelOverrides['range'] | undefined;
  readonly 'model-channels': 'rgb' | 'bgr' | undefined;
  readonly 'model-layout': ModelOverrides['layout'] | undefined;
  readonly 'model-scale': number | undefined;
  readonly 'model-multiple': number | undefined;
}

/** Refuses a precision that has no effect with the provider. */
export function refuseOtherPrecision(
  { precision, provider }: { readonly precision: PrecisionChoice; readonly provider: 'auto' | ProviderName },
  usage: Usage,
): void {
  if (provider === 'auto') return;
  const { runsFp16, runsInt8 } = PROVIDERS[provider];
  const own = runsInt8 ? 'fp32 or int8' : 'fp32';
  if (precision === 'fp16' && !runsFp16)
    throw usage(`--precision fp16 is for GPUs with CUDA: with --provider ${provider} a model runs in ${own}`);
  if (precision === 'int8' && !runsInt8)
    throw usage(`--precision int8 is for CPUs: with --provider ${provider} it has no effect`);
}

/** Returns what the options say of a graph. */
export function modelOverrides(parsed: GraphOptions, usage: Usage): ModelOverrides {
  const multiple = optionValues(usage).inRange('model-multiple', parsed['model-multiple'], 1, MAX_MULTIPLE);
  return {
    ...(parsed['model-range'] === undefined ? {} : { range: parsed['model-range'] }),
    ...(parsed['model-channels'] === undefined ? {} : { channels: parsed['model-channels'] }),
    ...(parsed['model-layout'] === undefined ? {} : { layout: parsed['model-layout'] }),
    ...(parsed['model-scale'] === undefined ? {} : { scale: parsed['model-scale'] }),
    ...(multiple === undefined ? {} : { multiple }),
  };
}

/** Returns the values of --input, by the names of the graph's inputs. */
export function modelInputs(
  given: string | readonly string[] | undefined,
  usage: Usage,
): ReadonlyMap<string, ConstantSource> {
  const inputs = new Map<string, ConstantSource>();
  for (const text of given === undefined ? [] : [given].flat()) {
    const [, name = '', value = ''] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
    const source = constantSource(value);
    if (source === undefined) {
      throw usage(
        `--input takes NAME=VALUE, where VALUE is a number, numbers with commas, a .npy file or a picture, not ${JSON.stringify(text)}`,
      );
    }
    if (inputs.has(name)) throw usage(`--input ${name} is given twice`);
    inputs.set(name, source);
  }
  return inputs;
}
