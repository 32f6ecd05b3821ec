/** What the addon's build takes from the compiler wrappers of the MPIs: stand-ins print what the real ones do. */
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { packageRoot } from '../../../src/system/package.js';

const SCRIPT = join(packageRoot(), 'native', 'mpi-flags.mjs');

/** A wrapper that answers `question` with `text`, and fails on anything else, as a compiler without input does. */
function wrapper(t: Test, text: string, question = '-show'): string {
  const folder = mkdtempSync(join(tmpdir(), 'framescatter-wrapper-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'text'), text);
  const path = join(folder, 'wrapper');
  const unknown = 'echo "g++: error: unrecognized command-line option" >&2; exit 1';
  writeFileSync(path, `#!/bin/sh\n[ "$*" = "${question}" ] && exec cat "\${0%/*}/text"\n${unknown}\n`);
  chmodSync(path, 0o755);
  return path;
}

function ask(mpicxx: string, kind: string) {
  const env = { ...process.env, MPICXX: mpicxx };
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, kind], { encoding: 'utf8', env });
  return { status, flags: stdout.split('\n').filter((line) => line !== ''), stderr };
}

const WRAPPERS: readonly (readonly [
  mpi: string,
  shown: string,
  compile: readonly string[],
  link: readonly string[],
  question?: string,
])[] = [
  [
    "Open MPI 4.1, Debian's",
    'g++ -I/usr/lib/openmpi/include -I/usr/lib/openmpi/include/openmpi -L/usr/lib/openmpi/lib -lmpi_cxx -lmpi',
    ['-isystem/usr/lib/openmpi/include', '-isystem/usr/lib/openmpi/include/openmpi'],
    ['-L/usr/lib/openmpi/lib', '-lmpi_cxx', '-lmpi'],
  ],
  [
    'Open MPI 5, in a folder of its own',
    'g++ -I/opt/ompi/include -pthread -L/opt/ompi/lib -Wl,-rpath -Wl,/opt/ompi/lib -Wl,--enable-new-dtags -lmpi',
    ['-isystem/opt/ompi/include'],
    ['-L/opt/ompi/lib', '-Wl,-rpath,/opt/ompi/lib,--enable-new-dtags', '-lmpi'],
  ],
  [
    "MPICH, Debian's",
    'g++ -Wl,-z,relro -Wl,-z,now -I/usr/lib/mpich/include -L/usr/lib/mpich/lib -lmpichcxx -lmpich',
    ['-isystem/usr/lib/mpich/include'],
    ['-Wl,-z,relro,-z,now', '-L/usr/lib/mpich/lib', '-lmpichcxx', '-lmpich'],
  ],
  [
    'MPICH in the usual folders, which must not become system folders again',
    'g++ -I/usr/include -L/usr/lib64 -lmpicxx -lmpi',
    [],
    ['-L/usr/lib64', '-lmpicxx', '-lmpi'],
  ],
  [
    'MVAPICH',
    'g++ -I/opt/mv/include -L/opt/mv/lib -lmpicxx -Wl,-rpath -Wl,/opt/mv/lib -Wl,-rpath -Wl,/opt/ib -lmpi',
    ['-isystem/opt/mv/include'],
    ['-L/opt/mv/lib', '-lmpicxx', '-Wl,-rpath,/opt/mv/lib,-rpath,/opt/ib', '-lmpi'],
  ],
  [
    'Intel MPI',
    'g++ -I"/opt/intel/mpi/include" -L"/opt/intel/mpi/lib/release" -Xlinker --enable-new-dtags -Xlinker -rpath ' +
      '-Xlinker "/opt/intel/mpi/lib" -lmpicxx -lmpifort -lmpi -ldl -lrt -lpthread',
    ['-isystem/opt/intel/mpi/include'],
    [
      ...['-L/opt/intel/mpi/lib/release', '-Wl,--enable-new-dtags,-rpath,/opt/intel/mpi/lib'],
      ...['-lmpicxx', '-lmpifort', '-lmpi', '-ldl', '-lrt', '-lpthread'],
    ],
  ],
  [
    "Cray's CC",
    '-I/opt/cray/mpich/include -L/opt/cray/mpich/lib -Wl,--as-needed,-lmpi_gnu_123,--no-as-needed',
    ['-isystem/opt/cray/mpich/include'],
    ['-L/opt/cray/mpich/lib', '-Wl,--as-needed,-lmpi_gnu_123,--no-as-needed'],
    '--cray-print-opts=all',
  ],
];

for (const [mpi, shown, compile, link, question] of WRAPPERS) {
  t.test(mpi, async (t) => {
    const mpicxx = wrapper(t, shown, question);
    t.match(ask(mpicxx, 'compile'), { status: 0, flags: compile, stderr: '' });
    t.match(ask(mpicxx, 'link'), { status: 0, flags: link, stderr: '' });
  });
}

t.test('a wrapper that is missing, fails or knows of no MPI is an error that says what to do', async (t) => {
  const remedy = /Install an MPI .*load the cluster's MPI module, or set MPICXX to its C\+\+ compiler/;
  for (const [mpicxx, why] of [
    [join(t.testdir(), 'gone'), /cannot get the MPI flags of .*gone: it cannot be run \(ENOENT\)/],
    [wrapper(t, '', 'never'), /-show fails with exit code 1: g\+\+: error: unrecognized command-line option/],
    [wrapper(t, 'g++ -I/opt/include -lm'), /-show names no MPI library/],
    [wrapper(t, ''), /-show names no MPI library/],
  ] as const) {
    const { status, flags, stderr } = ask(mpicxx, 'link');
    t.same([status, flags], [1, []]);
    t.match(stderr, why);
    t.match(stderr, remedy);
    t.equal(stderr.trim().split('\n').length, 1);
  }
  const strange = ask(wrapper(t, 'g++ -I/opt/$(touch,x)/include -lmpi'), 'compile');
  t.match(strange, {
    status: 1,
    flags: [],
    stderr: /does not support the flag -isystem\/opt\/\$\(touch,x\)/,
  });
});

t.test('it stops the build of the addon', async (t) => {
  const folder = t.testdir();
  mkdirSync(join(folder, 'native'));
  for (const file of ['binding.gyp', 'native/core_sources.txt', 'native/binding_sources.txt']) {
    copyFileSync(join(packageRoot(), file), join(folder, file));
  }
  for (const file of ['mpi-flags.mjs', 'package-paths.mjs']) {
    copyFileSync(join(packageRoot(), 'native', file), join(folder, 'native', file));
  }
  symlinkSync(join(packageRoot(), 'node_modules'), join(folder, 'node_modules'));
  const gyp = join(packageRoot(), 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  const headers = dirname(dirname(process.execPath));
  const { status, stderr } = spawnSync(process.execPath, [gyp, 'configure', `--nodedir=${headers}`], {
    encoding: 'utf8',
    cwd: folder,
    env: { ...process.env, MPICXX: 'no-such-mpicxx' },
  });
  t.equal(status, 1);
  t.match(stderr, /mpi-flags: cannot get the MPI flags of no-such-mpicxx/);
});
