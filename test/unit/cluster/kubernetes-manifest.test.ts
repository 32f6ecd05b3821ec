import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { renderManifest } from '../../../src/cluster/kubernetes.js';
import { type KubernetesJob, ranks } from '../../../src/cluster/kubernetes-job.js';
import { packageRoot } from '../../../src/system/package.js';
import {
  type Container,
  expandVariables,
  type MpiJob,
  mpiJobProblems,
  readManifest,
} from '../../fixtures/mpi-job.js';

const TEMPLATE = readFileSync(join(packageRoot(), 'k8s', 'mpijob.yaml'), 'utf8');
const JOB: KubernetesJob = {
  name: 'holiday',
  namespace: 'films',
  image: 'films.azurecr.io/framescatter:0.1.0',
  workers: 4,
  gpusPerWorker: 2,
  claim: 'reels',
  queue: undefined,
  args: ['/data/in.mp4', '/data/out.mp4', '--model', 'udnie'],
};

function render(changes: Partial<KubernetesJob> = {}): MpiJob {
  return readManifest(renderManifest(TEMPLATE, { ...JOB, ...changes }));
}

function launcher({ spec }: MpiJob): Container {
  return spec.mpiReplicaSpecs.Launcher.template.spec.containers[0] as Container;
}

function worker({ spec }: MpiJob): Container {
  return spec.mpiReplicaSpecs.Worker.template.spec.containers[0] as Container;
}

interface Resource {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Record<string, string>;
  };
  readonly spec?: { readonly podSelector?: { readonly matchLabels?: Record<string, string> } };
}

function resources(file: string): readonly Resource[] {
  const documents = parseAllDocuments(readFileSync(join(packageRoot(), 'k8s', file), 'utf8'), {
    version: '1.1',
  });
  return (Array.isArray(documents) ? documents : []).map((document) => document.toJS() as Resource);
}

t.test('manifests that the API server and the operator take', async (t) => {
  t.same(mpiJobProblems(readManifest(TEMPLATE)), [], 'the template as it stands');
  for (const changes of [
    {},
    { claim: undefined },
    { gpusPerWorker: 0 },
    { workers: 1, gpusPerWorker: 1 },
    { workers: 1000, gpusPerWorker: 16 },
    { queue: 'films' },
    { name: 'on', namespace: '0x10', image: 'no', claim: '1e3' },
  ]) {
    t.same(mpiJobProblems(render(changes)), [], JSON.stringify(changes));
  }
});

t.test('manifests that they would refuse are found', async (t) => {
  const broken = (edit: (job: { metadata: { name: string }; spec: Record<string, never> }) => void) => {
    const manifest = structuredClone(render());
    edit(manifest as never);
    return mpiJobProblems(manifest).join('\n');
  };
  const pods = (job: unknown) => (job as MpiJob).spec.mpiReplicaSpecs;
  t.match(
    broken((job) => Object.assign(job.spec, { slotPerWorker: 2 })),
    /additional properties.*slotPerWorker/,
  );
  t.match(
    broken((job) => Object.assign(pods(job).Worker.template.spec, { tolerances: [] })),
    /additional properties.*tolerances/,
  );
  t.match(
    broken((job) => Object.assign(worker(job as never), { args: [8] })),
    /must be string/,
  );
  t.match(
    broken((job) => Object.assign(pods(job).Worker, { replicas: 0 })),
    /there are workers/,
  );
  t.match(
    broken((job) => Object.assign(pods(job).Launcher, { restartPolicy: 'Always' })),
    /restart policies/,
  );
  t.match(
    broken((job) => Object.assign(job.metadata, { name: 'x'.repeat(60) })),
    /name of the last worker/,
  );
});

t.test('what is filled in', async (t) => {
  const job = render();
  t.match(job.metadata, { name: 'holiday', namespace: 'films' });
  t.equal(job.spec.slotsPerWorker, 2);
  t.equal(job.spec.mpiReplicaSpecs.Worker.replicas, 4);
  t.equal(ranks(JOB), 8);
  for (const container of [launcher(job), worker(job)]) t.equal(container.image, JOB.image);
  t.equal(worker(job).resources?.limits?.['nvidia.com/gpu'], 2);
  t.equal(launcher(job).resources?.limits?.['nvidia.com/gpu'], undefined, 'mpirun needs no GPU');
  t.same(
    launcher(job)
      .args?.slice(0, 3)
      .concat(launcher(job).args?.slice(-5) ?? []),
    ['mpirun', '-np', '8', '/opt/framescatter/dist/main.js', ...JOB.args],
  );
  const { volumes } = job.spec.mpiReplicaSpecs.Worker.template.spec;
  t.match(
    volumes?.find(({ name }) => name === 'data'),
    { persistentVolumeClaim: { claimName: 'reels' } },
  );
  t.ok(worker(job).volumeMounts?.some(({ name, mountPath }) => name === 'data' && mountPath === '/data'));
});

t.test('a queue: the job begins suspended, until Kueue has room for all of it', async (t) => {
  const { metadata, spec } = render({ queue: 'films' });
  t.match(metadata, { labels: { 'kueue.x-k8s.io/queue-name': 'films' } });
  t.match(spec, {
    launcherCreationPolicy: 'WaitForWorkersReady',
    runPolicy: { suspend: true, schedulingPolicy: { minAvailable: 4 } },
  });
  t.notMatch(JSON.stringify(render()), /suspend|kueue/);
});

t.test('telemetry: variables of a secret, which need not exist', async (t) => {
  t.match(launcher(render()), {
    envFrom: [{ secretRef: { name: 'framescatter-telemetry', optional: true } }],
  });
});

t.test('without GPUs and without a volume', async (t) => {
  const job = render({ gpusPerWorker: 0, claim: undefined });
  t.equal(job.spec.slotsPerWorker, 1);
  t.equal(launcher(job).args?.[2], '4');
  t.notOk('nvidia.com/gpu' in (worker(job).resources?.limits ?? {}));
  t.notMatch(JSON.stringify(job), /persistentVolumeClaim|"data"/);
});

t.test('words of any kind arrive as they are', async (t) => {
  const hostile = [
    ...['$(HOME)', '$$', '$$(HOME)', '$', 'a$(NO_SUCH)b', '`id`', '$(reboot)'],
    ...[
      'on',
      'No',
      'y',
      '~',
      'null',
      '1_000',
      '1:30',
      '012',
      '0x1f',
      '1e3',
      '2026-01-01',
      '=',
      '<<',
      '.inf',
      '',
    ],
    ...[
      '-x',
      '--',
      '- a',
      ': ',
      'a: b',
      ' #c',
      '#',
      '{a}',
      '[b]',
      '&c',
      '*d',
      '!e',
      '|',
      '>',
      '%f',
      '@g',
      "'",
      '"',
    ],
    ...[
      'line\nline',
      'tab\t',
      'back\\slash',
      'carriage\r',
      '\u0001',
      '\u0085',
      '\u2028',
      '\u2029',
      '\ufeffb',
      '🎬',
      'é',
    ],
    'x'.repeat(5000),
  ];
  const text = renderManifest(TEMPLATE, { ...JOB, args: hostile });
  const manifest = readManifest(text);
  t.same(mpiJobProblems(manifest), []);
  const seen = (launcher(manifest).args ?? []).map((word) =>
    expandVariables(word, { HOME: '/home/mpiuser' }),
  );
  t.same(seen.slice(-hostile.length), hostile);
  t.notMatch(text, /[\u0080-\u009f\u2028\u2029\ufeff]/, 'nothing that YAML 1.1 takes for a line end');
});

t.test("a cluster's own settings stay", async (t) => {
  const own = TEMPLATE.replace('memory: 24Gi', 'memory: 99Gi')
    .replace(
      '- --bind-to',
      '- --mca\n                - btl_tcp_if_include\n                - eth0\n                - --bind-to',
    )
    .replace('backoffLimit: 1', 'backoffLimit: 2 # our choice');
  const text = renderManifest(own, JOB);
  t.match(text, /backoffLimit: 2 # our choice/);
  const job = readManifest(text);
  t.equal(worker(job).resources?.limits?.memory, '99Gi');
  t.match(
    launcher(job).args?.join(' '),
    /^mpirun -np 8 .*btl_tcp_if_include eth0 .*main\.js \/data\/in\.mp4/,
  );
});

t.test('a template that is not one', async (t) => {
  const refuse = (template: string, message: RegExp) =>
    t.throws(() => renderManifest(template, JOB), { code: 'cluster', message } as never);
  refuse('kind: [', /cannot be filled in/);
  refuse('kind: MPIJob', /no launcher in spec/);
  refuse(TEMPLATE.replace('name: worker\n', 'name: other\n'), /no worker in/);
  refuse(TEMPLATE.replace('- -np', '- --n'), /not mpirun -np N/);
  refuse(TEMPLATE.replace('- /opt/framescatter/dist/main.js', '- main'), /not mpirun -np N/);
});

t.test('no pod has more rights than it needs', async (t) => {
  const { Launcher, Worker } = render().spec.mpiReplicaSpecs;
  const [files] = resources('files.yaml') as unknown as [{ spec: typeof Worker.template.spec }];
  for (const pod of [Launcher.template.spec, Worker.template.spec, files.spec]) {
    t.equal(pod.automountServiceAccountToken, false);
    t.match(pod.securityContext, {
      runAsNonRoot: true,
      runAsUser: 1000,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    for (const container of pod.containers) {
      t.match(container.securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    }
  }
});

t.test('the files of k8s/ agree', async (t) => {
  const job = readManifest(TEMPLATE);
  const setup = resources('setup.yaml');
  const volume = resources('volume.yaml');
  const named = (kind: string, from = setup) =>
    from.filter((one) => one.kind === kind).map((one) => one.metadata.name);
  const { Launcher, Worker } = job.spec.mpiReplicaSpecs;
  for (const { template } of [Launcher, Worker]) {
    t.same(named('ServiceAccount'), [template.spec.serviceAccountName]);
    t.same(named('PriorityClass'), [template.spec.priorityClassName]);
    const policies = setup.filter(({ kind }) => kind === 'NetworkPolicy');
    const fits = policies.filter(({ spec }) =>
      Object.entries(spec?.podSelector?.matchLabels ?? {}).every(
        ([label, value]) => template.metadata.labels[label] === value,
      ),
    );
    t.equal(fits.length, 2, 'nothing, and what jobs need');
  }
  t.same(named('Namespace'), [job.metadata.namespace]);
  t.same(named('PersistentVolumeClaim', volume), [
    Worker.template.spec.volumes?.find(({ name }) => name === 'data')?.persistentVolumeClaim?.claimName,
  ]);
  for (const { metadata, kind } of [...setup, ...volume, ...resources('files.yaml')]) {
    const clusterWide = ['Namespace', 'PriorityClass', 'StorageClass'].includes(kind);
    t.equal(metadata.namespace, clusterWide ? undefined : job.metadata.namespace, `${kind} ${metadata.name}`);
  }
});
