/** scripts/setup.sh on machines that have this and lack that: with stand-ins for what it looks for and runs. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import t, { type Test } from 'tap';
import { packageRoot } from '../../../src/system/package.js';

/** What any system has. */
const SYSTEM = ['bash', 'env', 'dirname', 'cat', 'cmp', 'cp', 'mkdir', 'touch', 'find', 'readlink'];
/** All that setup.sh needs beside Node.js, as on a cluster: no dpkg knows of any of it. */
const MODULES = ['ffmpeg', 'ffprobe', 'mpicxx', 'mpirun', 'g++', 'make', 'python3', 'ssh'];
const MPICH = 'g++ -I/opt/mpich/include -L/opt/mpich/lib -lmpi';
const OPEN_MPI = 'g++ -I/opt/openmpi/include -L/opt/openmpi/lib -lmpi';

/** A node-gyp that notes how it was called, and builds an empty addon. */
const GYP = `const fs = require('node:fs');
fs.appendFileSync('log', \`node-gyp \${process.argv.slice(2).join(' ')}\\n\`);
if (process.argv.includes('build')) fs.writeFileSync('build/Release/framescatter.node', '');
`;

interface Machine {
  /** Runs setup.sh; what it said, and the commands of others that it ran. */
  setup(
    words?: readonly string[],
    env?: NodeJS.ProcessEnv,
  ): { readonly status: number | null; readonly stderr: string; readonly ran: readonly string[] };
  /** Puts a stand-in on the PATH that notes how it was called, and then runs `script`. */
  add(program: string, script?: string): void;
  readonly folder: string;
}

function machine(t: Test, programs: readonly string[]): Machine {
  const folder = t.testdir({
    bin: {},
    build: {},
    native: {},
    node_modules: {
      'fluent-ffmpeg': { 'package.json': '{}', coverage: { report: '' }, lib: { code: '' } },
      'onnxruntime-node': {
        'package.json': '{}',
        bin: {
          'napi-v6': { plan9: { x64: { lib: '' } }, [process.platform]: { [process.arch]: { lib: '' } } },
        },
      },
      'node-gyp': { 'package.json': '{}', bin: { 'node-gyp.js': GYP } },
    },
    scripts: {},
    'package-lock.json': '{}',
    'package.json': '{}',
  });
  const files = ['mpi-flags.mjs', 'package-paths.mjs'].map((file) => join('native', file));
  for (const file of [...files, 'scripts/setup.sh', 'scripts/install.mjs', 'binding.gyp']) {
    copyFileSync(join(packageRoot(), file), join(folder, file));
  }
  const bin = join(folder, 'bin');
  const log = join(folder, 'log');
  function add(program: string, script = ''): void {
    const path = join(bin, program);
    writeFileSync(path, `#!/bin/sh\necho "${program} $*" >>"${log}"\n${script}\n`);
    chmodSync(path, 0o755);
  }
  const folders = (process.env.PATH ?? '').split(delimiter);
  for (const program of SYSTEM) {
    const found = folders.map((one) => join(one, program)).find((path) => existsSync(path));
    symlinkSync(found ?? `/usr/bin/${program}`, join(bin, program));
  }
  symlinkSync(process.execPath, join(bin, 'node'));
  add('id', 'echo 0');
  add('npm');
  mkdirSync(join(folder, 'build', 'Release'));
  for (const program of programs) add(program);
  if (programs.includes('mpicxx')) add('mpicxx', `[ "$1" != -show ] || echo ${MPICH}`);
  return {
    folder,
    add,
    setup(words = [], env = {}) {
      writeFileSync(log, '');
      const { status, stderr } = spawnSync('bash', [join(folder, 'scripts', 'setup.sh'), ...words], {
        encoding: 'utf8',
        env: { PATH: bin, ...env },
      });
      const ran = readFileSync(log, 'utf8')
        .split('\n')
        .filter((line) => /^(?:apt-get|sudo|npm|node-gyp|dpkg)/.test(line));
      return { status, stderr, ran };
    },
  };
}

const building = (ran: readonly string[]): boolean =>
  ran.some((line) => /^node-gyp .*build --jobs max$/.test(line));

t.test('with all programs there, from wherever they came, nothing is installed', async (t) => {
  const cluster = machine(t, MODULES);
  const first = cluster.setup();
  t.equal(first.status, 0, first.stderr);
  t.ok(building(first.ran));
  t.notMatch(first.ran.join('\n'), /apt-get|sudo|dpkg/);
  t.match(first.ran.join('\n'), /^npm ci /m);
  const libraries = join(cluster.folder, 'node_modules', 'onnxruntime-node', 'bin', 'napi-v6');
  t.same(readdirSync(join(libraries, process.platform)), [process.arch]);
  t.same(readdirSync(join(libraries, 'plan9')), [], "other systems' libraries go");
  t.same(readdirSync(join(cluster.folder, 'node_modules', 'fluent-ffmpeg')), ['lib', 'package.json']);

  const second = cluster.setup();
  t.same([second.status, building(second.ran)], [0, false], 'what is built stays');
  t.notMatch(second.ran.join('\n'), /^npm ci /m);

  cluster.add('mpicxx', `[ "$1" != -show ] || echo ${OPEN_MPI}`);
  const third = cluster.setup();
  t.same([third.status, building(third.ran)], [0, true], 'with another MPI it is built again');
});

t.test('what apt-get is to install is what is missing: no Open MPI beside another MPI', async (t) => {
  const mpich = machine(
    t,
    MODULES.filter((program) => program !== 'ffprobe' && program !== 'make'),
  );
  mpich.add('apt-get', `cp "${mpich.folder}/bin/g++" "${mpich.folder}/bin/make"`);
  const { status, ran, stderr } = mpich.setup();
  t.equal(status, 0, stderr);
  t.same(
    ran.filter((line) => line.startsWith('apt-get')),
    ['apt-get -qq update', 'apt-get -qq install -y --no-install-recommends ffmpeg make'],
  );

  const bare = machine(t, []);
  bare.add('apt-get', `exit 100`);
  t.match(bare.setup(), { status: 100 });
  bare.add('apt-get');
  t.match(
    bare.setup(['--tests']).ran.join('\n'),
    /ffmpeg openmpi-bin libopenmpi-dev g\+\+ make python3 openssh-client/,
  );

  // Headers are missing: its wrapper alone compiles nothing.
  const half = machine(t, MODULES);
  half.add('mpicxx', '[ "$1" = -show ]');
  half.add('apt-get');
  t.match(half.setup().ran.join('\n'), /--no-install-recommends openmpi-bin libopenmpi-dev$/m);
});

t.test('without apt-get one message says what to install by hand', async (t) => {
  const { status, stderr, ran } = machine(t, ['make', 'python3']).setup(['--tests']);
  t.equal(status, 1);
  t.equal(stderr.trim().split('\n').length, 1, stderr);
  t.match(
    stderr,
    /^setup: missing: ffmpeg and ffprobe, an MPI with mpicxx, mpirun and headers, a C\+\+ compiler, ssh, Slurm/,
  );
  t.match(stderr, /dnf install ffmpeg-free openmpi-devel gcc-c\+\+ openssh-clients slurm /);
  t.same(ran, [], 'before anything is done');
});

t.test('who may not install is told what is missing', async (t) => {
  const user = machine(
    t,
    MODULES.filter((program) => program !== 'ffmpeg'),
  );
  user.add('apt-get');
  user.add('id', 'echo 1000');
  const { status, stderr, ran } = user.setup();
  t.same([status, ran], [1, []]);
  t.match(
    stderr,
    /missing: ffmpeg and ffprobe. Run this as the root user or install sudo, to install: ffmpeg\n/,
  );
});

t.test('an MPICXX that cannot compile is an error; nothing is installed in its place', async (t) => {
  const cluster = machine(t, MODULES);
  cluster.add('apt-get');
  const { status, stderr, ran } = cluster.setup([], { MPICXX: '/opt/gone/mpicxx' });
  t.same([status, ran], [1, []]);
  t.match(stderr, /^setup: MPICXX=\/opt\/gone\/mpicxx cannot compile/);
});
