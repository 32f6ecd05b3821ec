/**
 * Prints what the addon's build takes from MPI's C++ compiler wrapper, one flag a line:
 *
 *     node native/mpi-flags.mjs compile|link
 *
 * The wrapper is mpicxx, or the one that MPICXX names (CC on a Cray). Open MPI's, MPICH's, Intel MPI's and MVAPICH's answer
 * to -show, Cray's to --cray-print-opts. Fails, with what to do, where there are no flags to be had: gyp then stops.
 */
import { spawnSync } from 'node:child_process';

const QUESTIONS = ['-show', '--cray-print-opts=all'];
/** Searched anyway; given again as a system folder, it hides the C++ library's own headers. */
const USUAL_INCLUDE = '-I/usr/include';

/** The words of a command line as wrappers print it: quotes, but no escapes. */
function wordsOf(text) {
  const words = text.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? [];
  return words.map((word) => word.replaceAll(/["']/g, ''));
}

/** The same with every flag in one word: `-I DIR`, `-Xlinker WORD` and runs of `-Wl,...` belong together. */
function joined(words) {
  const flags = [];
  for (let index = 0; index < words.length; index += 1) {
    let flag = words[index];
    if (/^(?:-I|-L|-l|-isystem|-Xlinker)$/.test(flag)) {
      index += 1;
      const argument = words[index] ?? '';
      flag = flag === '-Xlinker' ? `-Wl,${argument}` : `${flag.replace('-isystem', '-I')}${argument}`;
    }
    const last = flags.length - 1;
    if (flag.startsWith('-Wl,') && flags[last]?.startsWith('-Wl,')) flags[last] += flag.slice('-Wl'.length);
    else flags.push(flag);
  }
  return flags;
}

function ask(wrapper, question) {
  const { status, stdout, stderr, error } = spawnSync(wrapper, [question], { encoding: 'utf8' });
  if (error !== undefined) return { why: `it cannot be run (${error.code ?? error.message})` };
  const said = stderr.trim().split('\n')[0];
  if (status !== 0) return { why: `${question} ends with ${status}${said === '' ? '' : `: ${said}`}` };
  const flags = joined(wordsOf(stdout));
  if (!flags.some((flag) => /^-(?:Wl,.*-)?l.*mpi/.test(flag))) return { why: `${question} names no MPI library` };
  return { flags };
}

/** The wrapper's flags, or an end of this process. */
function flagsOf(wrapper) {
  const answers = [];
  for (const question of QUESTIONS) {
    const answer = ask(wrapper, question);
    if (answer.flags !== undefined) return answer.flags;
    answers.push(answer.why);
  }
  return fail(
    `${wrapper} does not say how to build with MPI: ${[...new Set(answers)].join('; ')}. ` +
      "Install an MPI with its headers (bash scripts/setup.sh), load the cluster's MPI module, or name its C++ compiler in MPICXX",
  );
}

function fail(message) {
  process.stderr.write(`mpi-flags: ${message}\n`);
  process.exit(1);
}

const kind = process.argv[2];
if (kind !== 'compile' && kind !== 'link') fail('usage: node native/mpi-flags.mjs compile|link');
const flags = flagsOf(process.env.MPICXX || 'mpicxx');
const wanted =
  kind === 'compile'
    ? flags
        .filter((flag) => flag.startsWith('-I') && flag !== USUAL_INCLUDE)
        .map((flag) => flag.replace('-I', '-isystem'))
    : flags.filter((flag) => /^-(?:L|l|Wl,)/.test(flag));
// gyp and make would take these for their own.
const strange = wanted.find((flag) => /[^\w@%+=:,.~/^-]/.test(flag));
if (strange !== undefined) fail(`the build cannot use the flag ${strange}: a name in it is too unusual`);
for (const flag of new Set(wanted)) process.stdout.write(`${flag}\n`);
