/**
 * Prints the flags of MPI's C++ compiler wrapper for the build of the addon, one per line:
 *
 *     node native/mpi-flags.mjs compile|link
 *
 * The wrapper is mpicxx, or the one in MPICXX (CC on a Cray). Those of Open MPI, MPICH, Intel MPI and MVAPICH
 * support -show, Cray's supports --cray-print-opts. Fails with a hint if there are no flags, which stops gyp.
 */
import { spawnSync } from 'node:child_process';

const OPTIONS = ['-show', '--cray-print-opts=all'];
/** A default include folder. As an explicit system folder it would hide the headers of the C++ library. */
const DEFAULT_INCLUDE = '-I/usr/include';

/** Splits a command line as wrappers print it: with quotes, but without escapes. */
function splitArgs(text) {
  const args = text.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? [];
  return args.map((arg) => arg.replaceAll(/["']/g, ''));
}

/** Joins each flag into one argument: `-I DIR`, `-Xlinker ARG` and sequences of `-Wl,...`. */
function joined(args) {
  const flags = [];
  for (let index = 0; index < args.length; index += 1) {
    let flag = args[index];
    if (/^(?:-I|-L|-l|-isystem|-Xlinker)$/.test(flag)) {
      index += 1;
      const argument = args[index] ?? '';
      flag = flag === '-Xlinker' ? `-Wl,${argument}` : `${flag.replace('-isystem', '-I')}${argument}`;
    }
    const last = flags.length - 1;
    if (flag.startsWith('-Wl,') && flags[last]?.startsWith('-Wl,')) flags[last] += flag.slice('-Wl'.length);
    else flags.push(flag);
  }
  return flags;
}

function query(wrapper, option) {
  const { status, stdout, stderr, error } = spawnSync(wrapper, [option], { encoding: 'utf8' });
  if (error !== undefined) return { why: `it cannot be run (${error.code ?? error.message})` };
  const firstLine = stderr.trim().split('\n')[0];
  if (status !== 0) return { why: `${option} fails with exit code ${status}${firstLine === '' ? '' : `: ${firstLine}`}` };
  const flags = joined(splitArgs(stdout));
  if (!flags.some((flag) => /^-(?:Wl,.*-)?l.*mpi/.test(flag))) return { why: `${option} names no MPI library` };
  return { flags };
}

/** Returns the wrapper's flags, or exits. */
function flagsOf(wrapper) {
  const answers = [];
  for (const option of OPTIONS) {
    const answer = query(wrapper, option);
    if (answer.flags !== undefined) return answer.flags;
    answers.push(answer.why);
  }
  return fail(
    `cannot get the MPI flags of ${wrapper}: ${[...new Set(answers)].join('; ')}. ` +
      "Install an MPI with its headers (bash scripts/setup.sh), load the cluster's MPI module, or set MPICXX to its C++ compiler",
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
        .filter((flag) => flag.startsWith('-I') && flag !== DEFAULT_INCLUDE)
        .map((flag) => flag.replace('-I', '-isystem'))
    : flags.filter((flag) => /^-(?:L|l|Wl,)/.test(flag));
// gyp and make would interpret other characters.
const unsupported = wanted.find((flag) => /[^\w@%+=:,.~/^-]/.test(flag));
if (unsupported !== undefined) fail(`the build does not support the flag ${unsupported}: it contains special characters`);
for (const flag of new Set(wanted)) process.stdout.write(`${flag}\n`);
