import type { CompareOptions } from '../../job/compare/compare-options.js';
import { type CommandSpec, parseCommand, type Text, usageError } from '../parsing/command-line.js';
import { loggingOf, loggingOptions } from '../parsing/common-options.js';

/** The request of `compare`. */
export interface CompareCommand {
  readonly kind: 'compare';
  readonly options: CompareOptions;
}

export const COMPARE = {
  name: 'compare',
  about: 'Measure how much two videos differ, and how much each flickers',
  forms: ['A B [options]'],
  examples: [
    'framescatter compare a.mp4 b.mp4',
    'framescatter compare fp32.mkv int8.mkv --source in.mp4',
    'framescatter compare in.mp4 out.mp4 --report compare.html',
    'framescatter compare a.mp4 b.mp4 --json',
  ],
  text:
    'A is the reference. PSNR, SSIM and, where FFmpeg has libvmaf, VMAF say how close B is; the warping error ' +
    'says how much each flickers. Frames are paired by their order, and need the same size and times. A, B and ' +
    'the source may be https addresses in Azure Blob storage.',
  epilogue: `Exit codes: 0 compared, however much they differ; 2 usage; 75 stopped; 1 anything else.`,
  options: (parser) =>
    loggingOptions(
      parser
        .option('source', {
          type: 'string',
          describe: 'the video from which both were made: its motion tells what should move; default A',
        })
        .option('report', {
          type: 'string',
          describe: 'write the result to this file: a page if its name ends in .html, otherwise JSON',
        })
        .option('json', { type: 'boolean', default: false, describe: 'print JSON' }),
      'Output:',
    ),
} satisfies CommandSpec<unknown>;

/**
 * Parses what follows `compare`. Pure.
 *
 * @throws {JobError} usage: when the arguments are not valid.
 */
export function parseCompare(argv: readonly string[]): CompareCommand | Text {
  const given = parseCommand(COMPARE, argv);
  if (typeof given === 'string') return { kind: 'text', text: given };
  const names = [...given.words, ...given.after];
  const [reference = '', other = ''] = names;
  if (names.length !== 2 || reference === '' || other === '') {
    const got = names.length === 0 ? 'nothing' : names.join(' ');
    throw usageError(COMPARE.name, `compare takes two videos, A and B (got ${got})`);
  }
  const { source, report, json } = given.options;
  return {
    kind: 'compare',
    options: { reference, other, source, report, json, ...loggingOf(COMPARE.name, given.options) },
  };
}
