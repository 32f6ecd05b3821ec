/** The results of arrays have the names that --out-dir gives them. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { outputName } from '../../../src/job/output/output-name.js';
import { packageRoot } from '../../../src/system/package.js';
import { CODECS } from '../../../src/video/codecs/codec.js';
import { CODEC_FACTS } from '../../../src/video/codecs/codecs.js';

const SCRIPT = join(packageRoot(), 'slurm', 'videos.bash');
const NAMES = ['a.mp4', 'b.MOV', 'c.mkv', 'd.webm', 'e.avi', 'f', 'it\'s "so" $(x)\nor.ts'];

/** The names that the scripts give to results in the folder `out`, for each list of options. */
function resultsOf(cases: readonly (readonly string[])[]): readonly string[] {
  const script = `source "$1" && shift
    while (($# > 0)); do
      count=$1 && shift
      name_result out "\${@:1:count}" && shift "$count"
      printf '%s\\0' "$result"
    done`;
  const words = cases.flatMap((one) => [String(one.length), ...one]);
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script, '-', SCRIPT, ...words], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return stdout.split('\0').slice(0, -1);
}

t.test('by --codec and --format', async (t) => {
  const manners = [
    ...CODECS.flatMap((codec) =>
      [codec, ...CODEC_FACTS[codec].aliases].map((said) => ({ said, codec, format: undefined })),
    ),
    ...['mkv', 'webm', 'csv', 'PARQUET'].map((format) => ({
      said: 'VP9',
      codec: 'vp9' as const,
      format,
    })),
  ];
  const cases = manners.flatMap((naming) => NAMES.map((name) => ({ name, naming })));
  const results = resultsOf(
    cases.map(({ name, naming: { said, format } }, at) => {
      const words = at % 2 === 0 ? ['--codec', said] : [`--codec=${said}`];
      return [`in/${name}`, '--crf', '20', ...words, ...(format === undefined ? [] : ['--format', format])];
    }),
  );
  for (const [at, { name, naming }] of cases.entries())
    t.equal(results[at], `out/${outputName(name, naming)}`, `${name} ${JSON.stringify(naming)}`);
});

t.test('without either a .webm stays one, in VP9', async (t) => {
  t.same(resultsOf([['in/d.webm'], ['in/a.mp4'], ['in/e.avi']]), [
    'out/d.webm',
    'out/a.mp4',
    'out/e.avi.mkv',
  ]);
});
