/** Turns arguments into a command. The first word names it; without a name it is a job. */
import { JobError } from '../system/errors.js';
import { didYouMean } from '../system/suggestion.js';
import { parseAml } from './aml/parse-aml.js';
import type { Command } from './command.js';
import { COMPLETION, DOCTOR, MODELS, overview, VERSION } from './commands.js';
import { parseCompare } from './compare/parse-compare.js';
import { parseDeploy, parseUndeploy } from './deploy/parse-deploy.js';
import { checkJob, parseJob } from './job/parse-job.js';
import { parseKubernetes } from './k8s/parse-k8s.js';
import { PROGRAM, parseCommand, type Text, usageError } from './parsing/command-line.js';
import { parsePlain } from './parsing/plain-command.js';
import { parsePlan } from './plan/parse-plan.js';
import { parsePreview } from './preview/parse-preview.js';
import { parseProbe } from './probe/parse-probe.js';
import { parseRetry } from './retry/parse-retry.js';
import { parseSlurm } from './slurm/parse-slurm.js';
import { parseWatch } from './watch/parse-watch.js';

/** The option with which yargs' completion scripts ask for completions. */
const COMPLETE = '--get-yargs-completions';

/**
 * Turns arguments into a command. Touches no files and prints nothing: help and version come back as text.
 * @throws {JobError} usage: the arguments are not a command's.
 */
export function parseArguments(
  argv: readonly string[],
  version: string,
  environment: NodeJS.ProcessEnv = {},
): Command {
  const [first = '', ...rest] = argv;
  const [second = '', ...further] = rest;
  switch (first) {
    case '-V':
    case '--version':
      return { kind: 'text', text: `${version}\n` };
    case '-h':
    case '--help':
      return { kind: 'text', text: overview() };
    case COMPLETE:
      return { kind: 'complete', words: rest };
    case 'version': {
      const given = parsePlain(VERSION, rest);
      return { kind: 'text', text: typeof given === 'string' ? given : `${version}\n` };
    }
    case 'completion': {
      const given = parsePlain(COMPLETION, rest);
      return typeof given === 'string' ? { kind: 'text', text: given } : { kind: 'completion' };
    }
    case 'doctor': {
      const given = parsePlain(DOCTOR, rest);
      return typeof given === 'string' ? { kind: 'text', text: given } : { kind: 'doctor', json: given.json };
    }
    case 'models':
      return models(rest);
    case 'compare':
      return parseCompare(rest);
    case 'preview':
      return parsePreview(rest);
    case 'plan':
      return parsePlan(rest);
    case 'probe':
      return parseProbe(rest);
    case 'retry':
      return parseRetry(rest);
    case 'watch':
      return wrap('watch', parseWatch(rest, environment, checkJob));
    case 'submit':
      switch (second) {
        case 'slurm':
          return wrap('slurm', parseSlurm(further, checkJob));
        case 'k8s':
          return wrap('k8s', parseKubernetes(further, checkJob));
        case 'aml':
          return wrap('aml', parseAml(first, further, environment, checkJob));
        default:
          return parent(first, second, ['slurm', 'aml', 'k8s']);
      }
    case 'publish':
    case 'invoke':
      if (second !== 'aml') return parent(first, second, ['aml']);
      return wrap('aml', parseAml(first, further, environment, checkJob));
    case 'deploy':
      if (second !== 'azure') return parent(first, second, ['azure']);
      return wrap('azure', parseDeploy(further, environment, checkJob));
    case 'undeploy':
      if (second !== 'azure') return parent(first, second, ['azure']);
      return wrap('azure', parseUndeploy(further, environment));
    case 'job':
      return parseJob(rest);
    default:
      return job(argv);
  }
}

function models(argv: readonly string[]): Command {
  const given = parseCommand(MODELS, argv);
  if (typeof given === 'string') return { kind: 'text', text: given };
  const { json } = given.options;
  const [word, file, ...more] = [...given.words, ...given.after];
  if (word === undefined) return { kind: 'models', json };
  if (word === 'inspect' && file !== undefined && more.length === 0) return { kind: 'inspect', file, json };
  if (word === 'inspect' && file === undefined)
    throw usageError(MODELS.name, 'models inspect takes an ONNX file');
  throw usageError(
    MODELS.name,
    `models takes nothing, or inspect and an ONNX file (got ${argv.join(' ')})${didYouMean(word, ['inspect'])}`,
  );
}

/** Wraps a command of a cluster; help needs no wrapping. */
function wrap<K extends string, C extends { readonly kind: string }>(kind: K, command: C | Text) {
  return isText(command) ? command : { kind, command };
}

function isText(command: { readonly kind: string }): command is Text {
  return command.kind === 'text';
}

/** Parses a job without its name. A lone word may be a mistyped command. */
function job(argv: readonly string[]): Command {
  const [word = ''] = argv;
  const meant = argv.length === 1 && !word.startsWith('-') ? didYouMean(word, COMMAND_NAMES) : '';
  if (meant !== '') {
    throw new JobError('usage', `"${word}" is no command${meant}`, {
      hint: `a job takes an INPUT and an OUTPUT; ${PROGRAM} --help lists the commands`,
    });
  }
  return parseJob(argv);
}

const COMMAND_NAMES = [
  ...[
    'job',
    'preview',
    'plan',
    'compare',
    'probe',
    'models',
    'doctor',
    'submit',
    'publish',
    'invoke',
    'deploy',
    'undeploy',
    'watch',
    'retry',
    'completion',
  ],
  'version',
];

/** Answers a command that needs another word, such as `submit`. */
function parent(name: string, next: string, children: readonly string[]): Command {
  if (next === '--help' || next === '-h') return { kind: 'text', text: overview(`${name} `) };
  const choices = children.join(', ').replace(/, (?=[^,]*$)/, ' or ');
  throw new JobError('usage', `${name} takes ${choices} next${didYouMean(next, children)}`, {
    hint: `${PROGRAM} ${name} ${children[0]} --help lists the options`,
  });
}
