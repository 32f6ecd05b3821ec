import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { WorldInfo } from '../../src/system/native.js';
import { type MpirunResult, mpirun } from '../fixtures/mpirun.js';

const worker = fileURLToPath(new URL('./world-worker.js', import.meta.url));

const statements = fileURLToPath(new URL('./statements-worker.js', import.meta.url));

interface Line extends WorldInfo {
  readonly result?: { readonly share: number };
}

const lines = ({ stdout }: MpirunResult): Line[] =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
    .sort((a, b) => a.rank - b.rank);

// Many short jobs: on a busy machine, more than the half minute that tap grants a file run on its own.
t.setTimeout(1_800_000);

for (const ranks of [1, 2, 3, 8]) {
  t.test(`moves frames on ${ranks} ranks`, async (t) => {
    const scenarios = ['broadcast', 'uneven', 'outstanding', 'inPlace', 'messages', 'rules'];
    const result = await mpirun(ranks, [worker, ...scenarios]);
    t.equal(result.code, 0, result.stderr);
    const numbers = Array.from({ length: ranks }, (_, rank) => rank);
    t.strictSame(
      lines(result).map(({ rank, size, localRank, localSize }) => ({ rank, size, localRank, localSize })),
      numbers.map((rank) => ({ rank, size: ranks, localRank: rank, localSize: ranks })),
    );
  });
}

t.test('what a rank says arrives whole, or is refused as too much', async (t) => {
  const result = await mpirun(2, [statements]);
  t.equal(result.code, 0, result.stderr);
  t.same(JSON.parse(result.stdout), { longest: [true, true], refused: [true, true] });
});

t.test('a rank that waits for frames leaves its core to others', async (t) => {
  const result = await mpirun(2, [worker, 'idle']);
  t.equal(result.code, 0, result.stderr);
  const [, waiting] = lines(result);
  const share = waiting?.result?.share ?? 1;
  t.comment(`the waiting rank used ${(100 * share).toFixed(1)} % of a core`);
  // Spinning would be 1; what is measured is 0.02 or so.
  t.ok(share < 0.25, `${share}`);
});

t.test('an abort on one rank ends all, with its exit code', async (t) => {
  const result = await mpirun(3, [worker, 'abort']);
  t.equal(result.code, 3, result.stderr);
});

t.test('a killed rank ends all', async (t) => {
  const result = await mpirun(3, [worker, 'kill']);
  // As a shell would say it, or the signal's number: Open MPI and MPICH.
  t.ok(result.code === 128 + 9 || result.code === 9, `${result.code}: ${result.stderr}`);
});

t.test('a rank that ends without finalising ends all', async (t) => {
  // MPICH kills the ranks that are left, and tells now their signal, now the code of the rank that ended.
  const mpich = execFileSync('mpirun', ['--version'], { encoding: 'utf8' }).startsWith('HYDRA');
  const ends = (code: number) => (mpich ? [code, 9] : [code]);
  const exit = await mpirun(3, [worker, 'exit']);
  t.ok(ends(7).includes(exit.code ?? -1), `${exit.code}: ${exit.stderr}`);
  const thrown = await mpirun(3, [worker, 'throw']);
  t.ok(ends(1).includes(thrown.code ?? -1), `${thrown.code}: ${thrown.stderr}`);
  t.match(thrown.stderr, /Error: disaster/);
});
