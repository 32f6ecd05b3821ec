import type { SizeRequest } from '../../video/frames/frame-scaling.js';
import { frameSizeOptions, sizeRequest } from '../job/frame-size.js';
import { type CommandSpec, parseCommand, type Text, usageError } from '../parsing/command-line.js';
import { videoIndexOf } from '../parsing/option-values.js';

/** The request of `probe`. */
export type ProbeCommand = {
  readonly kind: 'probe';
  readonly input: string;
  readonly json: boolean;
  readonly video: number | undefined;
  readonly frameSize: SizeRequest | undefined;
};

export const PROBE = {
  name: 'probe',
  about: 'Show what a job would see in a video, and do with it',
  forms: ['INPUT [options]'],
  examples: ['framescatter probe in.mp4', 'framescatter probe in.mkv --video 2 --json'],
  options: (parser) =>
    frameSizeOptions(
      parser.option('json', { type: 'boolean', default: false, describe: 'print JSON' }).option('video', {
        type: 'string',
        describe: 'number of the video stream, of several; default the main one',
      }),
    ),
} satisfies CommandSpec<unknown>;

/**
 * Parses what follows `probe`. Pure.
 *
 * @throws {JobError} usage: when the arguments are not valid.
 */
export function parseProbe(argv: readonly string[]): ProbeCommand | Text {
  const given = parseCommand(PROBE, argv);
  if (typeof given === 'string') return { kind: 'text', text: given };
  const usage = (message: string) => usageError(PROBE.name, message);
  const [input = '', ...more] = [...given.words, ...given.after];
  if (input === '' || more.length > 0) throw usage('probe takes one INPUT');
  const { json, video } = given.options;
  const frameSize = sizeRequest(given.options, usage);
  return { kind: 'probe', input, json, video: videoIndexOf(usage, video), frameSize };
}
