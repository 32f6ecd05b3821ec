/**
 * Prints where the build finds what npm installed, wherever npm put it (beside this package, or above it):
 *
 *     node native/package-paths.mjs node-addon-api    its headers
 *     node native/package-paths.mjs onnxruntime       the folder of ONNX Runtime's library for this machine
 *     node native/package-paths.mjs rpath             the same, as seen from build/Release: the whole may be moved
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The folder of an npm package: the one that Node.js finds from here. */
export function packageFolder(name) {
  for (const folder of createRequire(import.meta.url).resolve.paths(name) ?? []) {
    if (existsSync(join(folder, name, 'package.json'))) return join(folder, name);
  }
  throw new Error(`the npm package ${name} is not installed: npm ci installs it`);
}

/** Where the npm package of ONNX Runtime has its libraries, for each platform. */
export function onnxRuntimeFolders() {
  return join(packageFolder('onnxruntime-node'), 'bin', 'napi-v6');
}

/** Where the library for this machine lies. */
export function onnxRuntimeFolder() {
  return join(onnxRuntimeFolders(), process.platform, process.arch);
}

const answers = {
  'node-addon-api': () => packageFolder('node-addon-api'),
  onnxruntime: onnxRuntimeFolder,
  rpath: () => relative(join(root, 'build', 'Release'), onnxRuntimeFolder()),
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(answers[process.argv[2]]());
  } catch (error) {
    console.error(`framescatter: ${error.message}`);
    process.exitCode = 1;
  }
}
