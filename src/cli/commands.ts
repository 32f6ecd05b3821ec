/** The commands, in the order in which help lists them. */
import { INVOKE_AML, PUBLISH_AML, SUBMIT_AML } from './aml/parse-aml.js';
import { COMPARE } from './compare/parse-compare.js';
import { DEPLOY_AZURE, UNDEPLOY_AZURE } from './deploy/parse-deploy.js';
import { jobOptions } from './job/job-options.js';
import { JOB } from './job/parse-job.js';
import { SUBMIT_K8S } from './k8s/parse-k8s.js';
import { baseParser, type CommandSpec, helpWidth, PROGRAM, wrapped } from './parsing/command-line.js';
import { PLAN } from './plan/parse-plan.js';
import { PREVIEW } from './preview/parse-preview.js';
import { PROBE } from './probe/parse-probe.js';
import { RETRY } from './retry/parse-retry.js';
import { SUBMIT_SLURM } from './slurm/parse-slurm.js';
import { WATCH } from './watch/parse-watch.js';

export const MODELS = {
  name: 'models',
  about: 'List the models that come with the program, or inspect a file',
  forms: ['[options]', 'inspect FILE.onnx [options]'],
  examples: ['framescatter models', 'framescatter models inspect my-model.onnx'],
  text: 'inspect lists the inputs and outputs, what they look like, and a manifest to start from.',
  options: (parser) => parser.option('json', { type: 'boolean', default: false, describe: 'print JSON' }),
} satisfies CommandSpec<unknown>;

export const DOCTOR = {
  name: 'doctor',
  about: 'Check this machine, and say how to mend what is missing',
  forms: ['[options]'],
  examples: ['framescatter doctor'],
  epilogue: 'Exit codes: 0; 1 if a job could not run here.',
  options: (parser) => parser.option('json', { type: 'boolean', default: false, describe: 'print JSON' }),
} satisfies CommandSpec<unknown>;

export const COMPLETION = {
  name: 'completion',
  about: 'Print a script that completes options in bash or zsh',
  forms: [''],
  examples: ['framescatter completion >> ~/.bashrc'],
  options: (parser) => parser,
} satisfies CommandSpec<unknown>;

export const VERSION = {
  name: 'version',
  about: 'Print the version',
  forms: [''],
  examples: [],
  options: (parser) => parser,
} satisfies CommandSpec<unknown>;

/** A specification without the type of its options. */
type Listed = Omit<CommandSpec<unknown>, 'options'> & { readonly options: (parser: never) => unknown };

const COMMANDS: readonly Listed[] = [
  ...[
    JOB,
    PREVIEW,
    PLAN,
    COMPARE,
    PROBE,
    MODELS,
    DOCTOR,
    SUBMIT_SLURM,
    SUBMIT_AML,
    SUBMIT_K8S,
    PUBLISH_AML,
    INVOKE_AML,
    DEPLOY_AZURE,
    UNDEPLOY_AZURE,
    WATCH,
  ],
  ...[RETRY, COMPLETION, VERSION],
];

const GAP = 16;

/** Returns the list of commands, or of those whose names begin with `prefix`, as help. */
export function overview(prefix = ''): string {
  const rows = COMMANDS.filter(({ name }) => name.startsWith(prefix)).map(
    ({ name, about }) => `  ${name.padEnd(GAP)}${about}`,
  );
  const width = helpWidth();
  return `${[
    `Usage: ${PROGRAM} ${prefix}COMMAND ...`,
    ...(prefix === '' ? [`Examples:\n${JOB.examples.map((line) => `  ${line}`).join('\n')}`] : []),
    `Commands:\n${rows.join('\n')}`,
    wrapped(
      `${PROGRAM} COMMAND --help lists the options of a command; ${PROGRAM} job --help those of a job. The word job may be left out.
Exit codes: 0 done, 2 usage, 75 stopped but resumable by the same command, 1 anything else.
${PROGRAM} stands for node dist/main.js where it is not installed.`,
      width,
    ),
  ].join('\n\n')}\n`;
}

/** Returns the yargs parser that completes `words`, and the words that it has to look at. */
export function parserAfter(words: readonly string[]) {
  const spec = COMMANDS.find(({ name }) => name.split(' ').every((word, at) => words[at] === word));
  const parser = baseParser(helpWidth());
  if (spec !== undefined) {
    spec.options(parser as never);
    return { parser, words: words.slice(spec.name.split(' ').length) };
  }
  const [first = ''] = words;
  const children = COMMANDS.filter(({ name }) => words.length > 1 && name.startsWith(`${first} `));
  if (children.length === 0) jobOptions(parser);
  for (const { name, about } of children.length === 0 ? COMMANDS : children) {
    const [own = '', child] = name.split(' ');
    parser.command(children.length === 0 ? own : (child ?? own), about);
  }
  return { parser, words: words.slice(children.length === 0 ? 0 : 1) };
}
