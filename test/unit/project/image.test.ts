/** What can be said of the image without building it: scripts/check-image.sh follows its steps. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { packageRoot } from '../../../src/system/package.js';
import { type Container, type MpiJob, readManifest } from '../../fixtures/mpi-job.js';

interface Instruction {
  readonly name: string;
  readonly text: string;
}

function read(...path: string[]): string {
  return readFileSync(join(packageRoot(), ...path), 'utf8');
}

/** The Dockerfile's instructions: comments dropped, continued lines joined. */
const instructions: readonly Instruction[] = read('Dockerfile')
  .replace(/^\s*#.*\n/gm, '')
  .replace(/\\\n/g, '')
  .split('\n')
  .filter((line) => line.trim() !== '')
  .map((line) => {
    const [, name = '', text = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
    return { name, text };
  });

function all(name: string): readonly string[] {
  return instructions.filter((one) => one.name === name).map(({ text }) => text);
}

function argument(name: string): string | undefined {
  return all('ARG')
    .find((text) => text.startsWith(`${name}=`))
    ?.slice(name.length + 1);
}

/** The last pattern of .dockerignore that fits decides. */
function inContext(path: string): boolean {
  let kept = true;
  for (const line of read('.dockerignore').split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const pattern = line.replace(/^!/, '');
    if (pattern === '*' || `${path}/`.startsWith(`${pattern}/`)) kept = line.startsWith('!');
  }
  return kept;
}

t.test('base images are pinned, and one argument chooses between them', async (t) => {
  const stages = new Set<string>();
  for (const from of all('FROM')) {
    const [, image = '', name] = /^(\S+)(?: AS (\S+))?$/.exec(from) ?? [];
    const variable = /^\$\{(\w+)\}$/.exec(image)?.[1];
    const resolved =
      variable === undefined ? image.replace(/\$\{ACCELERATOR\}/, 'cpu') : (argument(variable) ?? '');
    if (!stages.has(resolved)) t.match(resolved, /^[\w./-]+:(?!latest)[\w.-]*\d[\w.-]*$/, from);
    if (name !== undefined) stages.add(name);
  }
  t.ok(stages.has('base-cpu') && stages.has('base-cuda'));
  t.equal(argument('ACCELERATOR'), 'cpu');
});

t.test('nothing in it runs as root unless asked to', async (t) => {
  t.equal(all('USER').length, 1);
  t.match(all('USER')[0], /^\$\{RUN_AS\}$/);
  t.equal(argument('RUN_AS'), 'mpiuser');
  t.match(all('RUN').join('\n'), /useradd --uid 1000 .*mpiuser/);
});

t.test('packages leave nothing behind', async (t) => {
  const installing = all('RUN').filter((text) => text.includes('apt-get install'));
  t.equal(installing.length, 2);
  for (const text of installing) {
    t.match(text, /^apt-get update .*--no-install-recommends.*rm -rf \/var\/lib\/apt\/lists\/\*/);
  }
});

t.test('an ssh server only where a launcher starts ranks through it, and without keys', async (t) => {
  t.equal(argument('SSH_SERVER'), 'openssh-server', 'the MPI Operator needs one');
  const installing = all('RUN').filter((text) => /\$\{SSH_SERVER\}|\bopenssh-server\b/.test(text));
  t.equal(installing.length, 1);
  t.match(installing[0], / \$\{SSH_SERVER\} /);
  t.match(installing[0], /rm -rf .*\/etc\/ssh\/ssh_host_\*/, 'no host keys in the image');
  t.equal(
    all('ARG').filter((text) => text === 'SSH_SERVER').length,
    2,
    'known to both stages that ask for it',
  );
});

t.test('nothing secret, nothing from an unnamed place', async (t) => {
  t.same(all('ADD'), []);
  t.notMatch(all('RUN').join('\n'), /\b(?:curl|wget)\b/);
  t.match(all('RUN').join('\n'), /npm ci --ignore-scripts/);
  t.notMatch([...all('ARG'), ...all('ENV')].join('\n'), /token|secret|passw|credential|_key/i);
  for (const path of [
    '.git/config',
    '.env',
    'node_modules/x',
    'build/x',
    'dist/x',
    'test/x',
    'demo/clip.mp4',
    'aml/x',
  ]) {
    t.notOk(inContext(path), path);
  }
});

t.test('it builds without BuildKit', async (t) => {
  t.notMatch(read('Dockerfile'), /<<|--mount=|--chmod=|--link|^# syntax=/m);
});

t.test('what it copies is there', async (t) => {
  const stages = new Set(all('FROM').map((from) => / AS (\S+)$/.exec(from)?.[1]));
  for (const copy of all('COPY')) {
    const words = copy.split(/\s+/);
    const from = /^--from=(\S+)$/.exec(words[0] ?? '')?.[1];
    if (from !== undefined) {
      t.ok(stages.has(from), copy);
      continue;
    }
    for (const source of words.slice(0, -1)) {
      t.ok(existsSync(join(packageRoot(), source)), `${source} exists`);
      t.ok(inContext(source), `${source} is in the context`);
    }
  }
});

t.test('pods find in it what they run', async (t) => {
  const job: MpiJob = readManifest(read('k8s', 'mpijob.yaml'));
  const { Launcher, Worker } = job.spec.mpiReplicaSpecs;
  const [launcher, worker] = [Launcher, Worker].map((one) => one.template.spec.containers[0]) as [
    Container,
    Container,
  ];
  const copies = all('COPY');
  t.same(launcher.command, ['/opt/framescatter/k8s/image/launcher.sh']);
  t.ok(copies.includes('k8s /opt/framescatter/k8s'));
  t.ok(copies.some((copy) => copy.endsWith(' /opt/framescatter/dist')));
  t.ok(copies.includes(`k8s/image/sshd_config ${worker.args?.at(-1)}`));
  const port = /^Port (\d+)$/m.exec(read('k8s', 'image', 'sshd_config'))?.[1];
  t.match(read('k8s', 'image', 'ssh_config'), new RegExp(`^  Port ${port}$`, 'm'));
  t.equal(worker.readinessProbe?.tcpSocket?.port, Number(port));
  t.match(read('k8s', 'image', 'launcher.sh'), new RegExp(`^port=${port}$`, 'm'));
  t.equal(job.spec.sshAuthMountPath, '/home/mpiuser/.ssh');
  for (const file of [
    'HostKey /home/mpiuser/.ssh/id_rsa',
    'AuthorizedKeysFile /home/mpiuser/.ssh/authorized_keys',
  ]) {
    t.match(read('k8s', 'image', 'sshd_config'), file);
  }
});
