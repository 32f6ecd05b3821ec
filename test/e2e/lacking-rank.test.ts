/** A rank whose host lacks what the others have, which they cannot learn of by MPI. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { packageRoot } from '../../src/system/package.js';
import { makeClip } from '../fixtures/clips.js';
import { identityModel } from '../fixtures/identity-model.js';
import { MPI_ENVIRONMENT, ourLines, programCommand } from '../fixtures/job.js';

const MAIN = join(packageRoot(), 'dist', 'main.js');

t.setTimeout(1_800_000);

/** A copy of the program as on a host of its own: without the addon, or with it but without the libraries beside it. */
async function copyWith(folder: string, addon: 'no addon' | 'the addon alone'): Promise<string> {
  await fs.cp(join(packageRoot(), 'dist'), join(folder, 'dist'), { recursive: true });
  await fs.copyFile(join(packageRoot(), 'package.json'), join(folder, 'package.json'));
  if (addon === 'the addon alone') {
    const built = join('build', 'Release', 'framescatter.node');
    await fs.mkdir(join(folder, 'build', 'Release'), { recursive: true });
    await fs.copyFile(join(packageRoot(), built), join(folder, built));
  }
  return join(folder, 'dist', 'main.js');
}

/** Runs `framescatter ...args`, on the `odd` ranks from the program `other` or with `settings`. */
function run(
  ranks: number,
  args: readonly string[],
  odd: { readonly ranks: string; readonly program: string; readonly settings?: string },
) {
  const script = `case "$OMPI_COMM_WORLD_RANK" in
    ${odd.ranks}) exec env ${odd.settings ?? ''} "$0" ${odd.program} "$@" ;;
    *) exec "$0" ${MAIN} "$@" ;;
  esac`;
  const [program, words] = programCommand(ranks, 'sh', ['-c', script, process.execPath, ...args]);
  const { status, stderr } = spawnSync(program, words, {
    encoding: 'utf8',
    env: MPI_ENVIRONMENT,
    timeout: 300_000,
  });
  return { code: status, stderr, lines: ourLines(stderr) };
}

async function job(folder: string): Promise<readonly string[]> {
  return [await makeClip('cfr'), join(folder, 'o.mp4'), '--model', await identityModel(folder)];
}

t.test('a rank without the addon says so, with its host, and the others do not hang', async (t) => {
  const folder = t.testdir();
  const program = await copyWith(folder, 'no addon');
  for (const [ranks, speaker] of [
    ['2', 2],
    ['0', 0],
    ['*', 0],
  ] as const) {
    const { code, lines, stderr } = run(3, await job(folder), { ranks, program });
    t.equal(code, 1, stderr);
    t.equal(lines.length, 2, `one message: ${stderr}`);
    t.match(
      lines[0],
      new RegExp(
        `error: rank ${speaker} on \\S+: the addon is not built: there is no .*framescatter\\.node$`,
      ),
    );
    t.match(lines[1], /run npm run build on every host/);
    t.notMatch(stderr, /internal error|^\s+at /m);
  }
});

t.test('a library that is missing is told from an addon that is', async (t) => {
  const folder = t.testdir();
  const program = await copyWith(folder, 'the addon alone');
  const { code, lines, stderr } = run(2, await job(folder), { ranks: '1', program });
  t.equal(code, 1, stderr);
  t.equal(lines.length, 2, `one message: ${stderr}`);
  t.match(
    lines[0],
    /error: rank 1 on \S+: the addon cannot be loaded: the library libonnxruntime\.so\S* is missing$/,
  );
  t.match(lines[1], /install it on that host.*doctor/);
});

t.test('started by hand there is no rank to name', async (t) => {
  const folder = t.testdir();
  const program = await copyWith(folder, 'no addon');
  const { status, stderr } = spawnSync(process.execPath, [program, ...(await job(folder))], {
    encoding: 'utf8',
  });
  t.equal(status, 1);
  t.match(ourLines(stderr)[0], /^framescatter: error: the addon is not built/);
});

t.test('a command line that is wrong is refused once, not by every rank', async (t) => {
  const { code, lines, stderr } = run(3, ['--no-such-option'], { ranks: 'none', program: MAIN });
  t.equal(code, 2, stderr);
  t.equal(lines.filter((line) => line.startsWith('framescatter: error: ')).length, 1, stderr);
});

t.test('a rank that fails while pieces are worked on says what to do, too', async (t) => {
  const folder = t.testdir();
  const args = [...(await job(folder)), '--split', 'segments', '--segment-seconds', '0.4'];
  const odd = { ranks: '1', program: MAIN, settings: 'TMPDIR=/no/such/folder' };
  const { code, lines, stderr } = run(2, args, odd);
  t.equal(code, 1, stderr);
  const error = lines.findIndex((line) => line.startsWith('framescatter: error: '));
  t.match(lines[error], /error: rank 1 on \S+: .*ENOENT/);
  t.match(lines[error + 1], /set TMPDIR to a writable folder/);
});
