/**
 * The install script of this package, which scripts/setup.sh runs in a clone: removes the files of npm
 * packages for other systems, and builds the addon unless it is already built with this MPI. Prints one line
 * if something is missing.
 */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onnxRuntimeFolders, packageFolder } from '../native/package-paths.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const addon = join(root, 'build', 'Release', 'framescatter.node');
const record = join(root, 'build', 'mpi-flags');

function fail(message) {
  console.error(`framescatter: ${message}`);
  process.exit(1);
}

/** Removes ONNX Runtime's libraries for other systems, and coverage reports: 250 MB. */
function prune() {
  const libraries = onnxRuntimeFolders();
  for (const platform of fs.readdirSync(libraries)) {
    for (const arch of fs.readdirSync(join(libraries, platform))) {
      if (platform === process.platform && arch === process.arch) continue;
      fs.rmSync(join(libraries, platform, arch), { recursive: true });
    }
  }
  fs.rmSync(join(packageFolder('fluent-ffmpeg'), 'coverage'), { recursive: true, force: true });
}

function has(program) {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;
}

/** Returns the flags of mpicxx, which identify the MPI that the addon is built with. */
function mpiFlags() {
  const flags = ['compile', 'link'].map((which) => {
    const { status, stdout } = spawnSync(process.execPath, [join(root, 'native', 'mpi-flags.mjs'), which], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (status !== 0) fail('cannot build the native addon without MPI; see above');
    return stdout;
  });
  return flags.join('');
}

/** Returns the time of the last change of the addon's sources, in milliseconds. */
function sourcesChanged() {
  const sources = fs.readdirSync(join(root, 'native'), { recursive: true });
  const files = [...sources.map((name) => join('native', name)), 'binding.gyp', 'package.json'];
  return Math.max(...files.map((name) => fs.statSync(join(root, name)).mtimeMs));
}

function build() {
  const flags = mpiFlags();
  const isBuilt = fs.existsSync(addon) && fs.statSync(addon).mtimeMs >= sourcesChanged();
  if (isBuilt && fs.existsSync(record) && fs.readFileSync(record, 'utf8') === flags) return;
  for (const program of ['make', 'python3', process.env.CXX ?? 'g++']) {
    if (!has(program)) fail(`cannot build the native addon: ${program} is missing`);
  }
  console.log('framescatter: building the native addon');
  fs.mkdirSync(join(root, 'build'), { recursive: true });
  // Uses the headers beside Node if they exist, so that node-gyp downloads nothing.
  const prefix = dirname(dirname(fs.realpathSync(process.execPath)));
  const headers = fs.existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
  const gyp = join(packageFolder('node-gyp'), 'bin', 'node-gyp.js');
  const log = join(root, 'build', 'native.log');
  const output = fs.openSync(log, 'w');
  for (const args of [['configure'], ['build', '--jobs', 'max']]) {
    const { status } = spawnSync(process.execPath, [gyp, ...headers, ...args], {
      cwd: root,
      stdio: ['ignore', output, output],
    });
    if (status === 0) continue;
    console.error(fs.readFileSync(log, 'utf8'));
    fail('cannot build the native addon; see above');
  }
  const now = new Date();
  fs.utimesSync(addon, now, now);
  fs.writeFileSync(record, flags);
}

prune();
build();
