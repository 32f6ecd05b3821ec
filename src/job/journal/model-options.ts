import { displayText } from '../../storage/location/location.js';
import type { RunOptions } from '../context/options.js';

/** The options of a run that decide what its model is, as words. */
export type ModelOptions = Readonly<Record<string, string>>;

/** Returns the options that decide what a run's model is, without anything secret. */
export function modelOptions(
  options: Pick<RunOptions, 'model' | 'size' | 'strength' | 'canvas' | 'steady' | 'cutThreshold'>,
): ModelOptions {
  const given = {
    '--model': displayText(options.model),
    '--size': options.size,
    '--strength': options.strength,
    '--canvas': options.canvas,
    '--steady': options.steady,
    '--cut-threshold': options.cutThreshold,
  };
  return Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  );
}

/** Returns whether a value read from a file is a set of such options. */
export function isModelOptions(value: object): value is ModelOptions {
  return Object.values(value).every((one) => typeof one === 'string');
}

/** Returns a line for each option that differs: `--strength was 0.8, now unset`. */
export function differingOptions(earlier: ModelOptions, now: ModelOptions): readonly string[] {
  return [...new Set([...Object.keys(earlier), ...Object.keys(now)])]
    .filter((name) => earlier[name] !== now[name])
    .map((name) => `${name} was ${earlier[name] ?? 'unset'}, now ${now[name] ?? 'unset'}`);
}
