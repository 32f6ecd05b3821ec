/** What child processes are given, and what becomes of those whose parent was killed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { childEnvironment, endOrphans } from '../../../src/system/children.js';
import { identityOf } from '../../../src/system/process-identity.js';

t.test('children get what FFmpeg needs, and no secret', async (t) => {
  const needed = {
    ...{ PATH: '/bin', HOME: '/root', LANG: 'C', LC_ALL: 'C.UTF-8', TMPDIR: '/tmp', TZ: 'UTC' },
    ...{ LD_LIBRARY_PATH: '/opt/lib', CUDA_VISIBLE_DEVICES: '1', NVIDIA_VISIBLE_DEVICES: 'all' },
    ...{ LIBVA_DRIVER_NAME: 'iHD', XDG_RUNTIME_DIR: '/run/user/1', FONTCONFIG_FILE: '/f', SVT_LOG: '1' },
    ...{ OMP_NUM_THREADS: '2', OMPI_COMM_WORLD_RANK: '3', PMIX_RANK: '3' },
  };
  const sas = 'https://a.blob.core.windows.net/c/x?sv=1&sig=CANARY';
  const others = {
    ...{
      OMPI_ARGV: `main.js ${sas}`,
      AZURE_STORAGE_KEY: 'CANARY',
      AZUREML_RUN_TOKEN: 'CANARY',
      FFREPORT: 'file=x',
    },
    ...{ MLFLOW_TRACKING_TOKEN: 'CANARY', OTEL_EXPORTER_OTLP_HEADERS: 'CANARY', SLURM_JOB_NAME: sas, _: 'x' },
  };
  const { FRAMESCATTER_PARENT, ...given } = childEnvironment({ ...needed, ...others });
  t.same(given, needed);
  t.same(JSON.parse(FRAMESCATTER_PARENT ?? ''), await identityOf());
  const hidden = childEnvironment({
    ...needed,
    LD_PRELOAD: sas,
    LC_X: 'eyJhbGciOiJub25lIn0.eyJDQU5BUlkiOjF9.x',
  });
  t.notMatch(JSON.stringify(hidden), /CANARY|eyJ/, 'not in a variable that is needed either');
});

t.test("a dead process's children are ended, a living one's and others' are not", async (t) => {
  const dead = JSON.stringify({ ...(await identityOf()), started: '1' });
  const start = async (env: NodeJS.ProcessEnv) => {
    const child = spawn('sleep', ['1000'], { env: { PATH: process.env.PATH, ...env } });
    await once(child, 'spawn');
    return child;
  };
  const orphan = await start({ FRAMESCATTER_PARENT: dead });
  const stay = [
    await start(childEnvironment()),
    await start({}),
    await start({ FRAMESCATTER_PARENT: 'garbage' }),
    await start({ FRAMESCATTER_PARENT: JSON.stringify({ pid: 1 }) }),
  ];
  const ended = once(orphan, 'exit');
  await endOrphans(); // a job of another test may have been faster
  t.same(await ended, [null, 'SIGKILL']);
  for (const child of stay) {
    t.same([child.exitCode, child.signalCode], [null, null]);
    child.kill('SIGKILL');
  }
});
