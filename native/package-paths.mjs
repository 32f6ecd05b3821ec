/**
 * Prints the paths of npm packages for the build, wherever npm installed them (in this package, or above it):
 *
 *     node native/package-paths.mjs node-addon-api    its headers
 *     node native/package-paths.mjs onnxruntime       the folder of ONNX Runtime's library for this system
 *     node native/package-paths.mjs rpath             the same, relative to build/Release: packages can be moved
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Returns the folder of an npm package, as Node.js resolves it from here. */
export function packageFolder(name) {
  for (const folder of createRequire(import.meta.url).resolve.paths(name) ?? []) {
    if (existsSync(join(folder, name, 'package.json'))) return join(folder, name);
  }
  throw new Error(`the npm package ${name} is not installed: run npm ci`);
}

/** Returns the folder of ONNX Runtime's libraries for all platforms. */
export function onnxRuntimeFolders() {
  return join(packageFolder('onnxruntime-node'), 'bin', 'napi-v6');
}

/** Returns the folder of the library for this system. */
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
