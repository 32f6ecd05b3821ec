/** The tarball that `npm pack` makes of this package. */
import { spawnSync } from 'node:child_process';
import t from 'tap';
import { packageRoot } from '../../../src/system/package.js';

t.test('it holds what runs and builds, and nothing else', async (t) => {
  const { status, stdout, stderr } = spawnSync('npm', ['pack', '--dry-run', '--json'], {
    cwd: packageRoot(),
    encoding: 'utf8',
  });
  t.equal(status, 0, stderr);
  const [tarball] = JSON.parse(stdout) as { unpackedSize: number; files: { path: string; mode: number }[] }[];
  const paths = tarball?.files.map(({ path }) => path) ?? [];
  for (const needed of [
    ...[
      'dist/main.js',
      'dist/pipeline/pipeline.js',
      'scripts/install.mjs',
      'binding.gyp',
      'native/mpi-flags.mjs',
    ],
    ...['native/core_sources.txt', 'native/third_party/onnxruntime/onnxruntime_c_api.h'],
    ...['models/fast.json', 'models/fast.onnx', 'models/fast-wave.f32', 'models/fine.ranges.f32'],
    ...['slurm/stylize.sbatch', 'slurm/job.bash', 'k8s/mpijob.yaml', 'LICENSE', 'README.md'],
  ]) {
    t.ok(paths.includes(needed), needed);
  }
  const places = new Set(paths.map((path) => (path.includes('/') ? path.slice(0, path.indexOf('/')) : path)));
  t.same(
    [...places].toSorted(),
    [
      ...['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'aml', 'binding.gyp', 'dist', 'k8s'],
      ...['models', 'native', 'package.json', 'scripts', 'slurm'],
    ],
    'no tests, no bench, no CI',
  );
  t.ok((tarball?.unpackedSize ?? 0) < 20e6, `${tarball?.unpackedSize} bytes`);
});
