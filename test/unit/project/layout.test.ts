import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import t from 'tap';
import { packageRoot } from '../../../src/system/package.js';

const SOURCE = join(packageRoot(), 'src');
/** The folders of src from the ground up: a file imports from its own folder and from those before it, types too. */
const FOLDERS = [
  'system',
  'report',
  'mpi',
  'watchdog',
  ...['storage/location', 'storage/local', 'storage/azure', 'storage'],
  ...['video/formats', 'video/ffmpeg', 'video/source', 'video/codecs', 'video/frames', 'video/split'],
  ...['video/mux', 'video/verify', 'video/streams', 'video/compare'],
  'table',
  ...['model/graph', 'model/ports', 'model/load', 'model/passes', 'model/compose', 'model/session'],
  'pictures',
  'pipeline',
  ...['job/context', 'job/journal', 'job/output', 'job/report', 'job/report/page'],
  'telemetry',
  ...[
    'job/prepare',
    'job/split',
    'job',
    'job/queue',
    'job/pictures',
    'job/preview',
    'job/plan',
    'job/compare',
  ],
  'cloud',
  'cloud/deploy',
  'cluster',
  'watch',
  ...[
    'cli/parsing',
    'cli/job',
    'cli/preview',
    'cli/plan',
    'cli/compare',
    'cli/probe',
    'cli/models',
    'cli/doctor',
    'cli/retry',
    'cli/aml',
    'cli/deploy',
    'cli/k8s',
    'cli/slurm',
    'cli/watch',
    'cli',
  ],
  '',
];
const NATIVE = join(packageRoot(), 'native');
/** The folders of native from the ground up, each with those that its files may include. */
const NATIVE_FOLDERS: Readonly<Record<string, readonly string[]>> = {
  system: [],
  cuda: ['system'],
  vulkan: [],
  ort: ['system', 'cuda', 'vulkan'],
  mpi: ['system'],
  napi: ['system', 'cuda', 'vulkan', 'ort', 'mpi'],
};
const IMPORTED = /(?:from|import\()\s*'(\.[^']+)\.js'/g;

t.test('imports point down', async (t) => {
  let imports = 0;
  for (const file of files()) {
    const own = place(dirname(file));
    t.ok(own >= 0, `${dirname(file)} has its place in the order of folders`);
    for (const [, path = ''] of readFileSync(join(SOURCE, file), 'utf8').matchAll(IMPORTED)) {
      imports += 1;
      const target = relative(SOURCE, resolve(SOURCE, dirname(file), path));
      if (place(dirname(target)) > own) t.fail(`${file} imports ${target}, which is above it`);
    }
  }
  t.ok(imports > 500, 'imports are found');
});

t.test('no file imports itself, not even by way of others, nor for a type', async (t) => {
  const targetsOf = new Map(
    files().map((file) => [
      file.replace(/\.ts$/, ''),
      [...readFileSync(join(SOURCE, file), 'utf8').matchAll(IMPORTED)].map(([, path = '']) =>
        relative(SOURCE, resolve(SOURCE, dirname(file), path)),
      ),
    ]),
  );
  const done = new Set<string>();
  const visit = (file: string, way: readonly string[]): void => {
    if (way.includes(file)) t.fail([...way.slice(way.indexOf(file)), file].join(' -> '));
    if (done.has(file) || way.includes(file)) return;
    for (const target of targetsOf.get(file) ?? []) visit(target, [...way, file]);
    done.add(file);
  };
  for (const file of targetsOf.keys()) visit(file, []);
  t.equal(done.size, targetsOf.size);
});

t.test('includes of the addon point down, and N-API stays in its folder', async (t) => {
  const folders = readdirSync(NATIVE, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  t.same(
    new Set(folders.map(({ name }) => name)),
    new Set([...Object.keys(NATIVE_FOLDERS), 'third_party']),
    'each folder has its place in the order',
  );
  let includes = 0;
  for (const [folder, below] of Object.entries(NATIVE_FOLDERS)) {
    for (const name of readdirSync(join(NATIVE, folder))) {
      const file = `${folder}/${name}`;
      const text = readFileSync(join(NATIVE, file), 'utf8');
      for (const [, path = ''] of text.matchAll(/^#include "([^"]+)"$/gm)) {
        includes += 1;
        t.ok([folder, ...below].includes(dirname(path)), `${file} includes ${path}`);
        t.ok(existsSync(join(NATIVE, path)), path);
      }
      if (folder !== 'napi') t.notMatch(text, /#include <n(?:ode_)?api\.h>/, file);
    }
  }
  t.ok(includes > 50, 'includes are found');
});

t.test('the lists of native sources hold every source', async (t) => {
  const listed = (name: string) => readFileSync(join(NATIVE, name), 'utf8').trim().split('\n');
  const sources = Object.keys(NATIVE_FOLDERS).flatMap((folder) =>
    readdirSync(join(NATIVE, folder))
      .filter((name) => name.endsWith('.cc'))
      .map((name) => `native/${folder}/${name}`),
  );
  const isBinding = (path: string) => path.startsWith('native/napi/');
  t.same(listed('binding_sources.txt'), sources.filter(isBinding).toSorted());
  t.same(listed('core_sources.txt'), sources.filter((path) => !isBinding(path)).toSorted());
});

t.test('comments are at most 110 columns wide', async (t) => {
  for (const file of files()) {
    const comments = readFileSync(join(SOURCE, file), 'utf8')
      .split('\n')
      .filter((line) => line.length > 110 && /^\s*(?:\/\/|\/?\*)/.test(line));
    t.strictSame(comments, [], file);
  }
});

t.test('tests lie in folders like those of what they test', async (t) => {
  const areas = new Set([...FOLDERS.map((folder) => folder.split('/')[0]), 'project']);
  for (const entry of readdirSync(join(packageRoot(), 'test/unit'))) t.ok(areas.has(entry), entry);
});

function place(folder: string): number {
  return FOLDERS.indexOf(folder === '.' ? '' : folder);
}

function files(): readonly string[] {
  return readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
}
