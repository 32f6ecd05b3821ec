import t from 'tap';
import {
  clusterBody,
  componentBody,
  deploymentBody,
  endpointBody,
  environmentBody,
  growthBody,
  invocationBody,
  jobBody,
  pipelineComponent,
  stepComponent,
  variablesOf,
  versionOf,
} from '../../../src/cloud/aml-bodies.js';
import { videoJob } from '../../../src/cloud/job-arguments.js';
import { withJournalBelow } from '../../../src/cloud/journals.js';
import type { JsonObject } from '../../../src/cloud/json.js';
import { amlFile, bodyProblems, yamlProblems } from '../../fixtures/schemas.js';

const BLOB = 'https://films.blob.core.windows.net';
const IN = `${BLOB}/videos-in/film.mp4`;
const OUT = `${BLOB}/videos-out/film.mp4`;
const SUBNET =
  '/subscriptions/s/resourceGroups/films/providers/Microsoft.Network/virtualNetworks/v/subnets/training';
const IDENTITY =
  '/subscriptions/s/resourceGroups/films/providers/Microsoft.ManagedIdentity/userAssignedIdentities/c';
const JOURNALS = 'https://state.blob.core.windows.net/journals';
const FILM = withJournalBelow(
  videoJob({ input: IN, output: OUT, workDir: undefined, model: 'wave', options: [] }),
  JOURNALS,
);
const CLUSTER =
  '/subscriptions/s/resourceGroups/films/providers/Microsoft.MachineLearningServices/workspaces/w/computes/gpu-cluster';
const FOUR = { nodes: 4, gpusPerNode: 1 };

t.test('the YAML of aml/ fits its schemas', async (t) => {
  const kinds = {
    'environment.yml': 'environment',
    'compute.yml': 'amlCompute',
    'compute-low-priority.yml': 'amlCompute',
    'datastore-videos-in.yml': 'azureBlob',
    'datastore-videos-out.yml': 'azureBlob',
    'component.yml': 'commandComponent',
    'pipeline-component.yml': 'pipelineComponent',
    'pipeline.yml': 'pipelineJob',
    'endpoint.yml': 'batchEndpoint',
    'deployment.yml': 'pipelineComponentBatchDeployment',
  };
  for (const [file, kind] of Object.entries(kinds)) {
    t.same(yamlProblems(kind, amlFile(file)), [], file);
    t.match(amlFile(file).$schema, `/${kind}.schema.json`, `${file} names its schema`);
  }
});

t.test('the YAML and the REST bodies say the same', async (t) => {
  const file = amlFile('component.yml') as JsonObject;
  const { $schema: _, version: __, environment: ___, ...written } = file;
  const settings = { environmentId: '/env', spread: FOUR, variables: {} };
  const { environment: ____, outputs, ...sent } = stepComponent(settings);
  t.same(sent, written, 'the step');
  t.same(outputs, {});

  const pipeline = amlFile('pipeline-component.yml') as unknown as {
    inputs: object;
    jobs: { stylize: JsonObject };
  };
  const spec = pipelineComponent('/step', FOUR, CLUSTER) as unknown as typeof pipeline;
  t.same(spec.inputs, pipeline.inputs, 'inputs of the pipeline');
  t.same(spec.inputs, file.inputs, 'which are those of the step');
  const step = spec.jobs.stylize;
  const yaml = pipeline.jobs.stylize;
  t.same(
    Object.entries(step.inputs as Record<string, JsonObject>).map(([name, { value }]) => [name, value]),
    Object.entries(yaml.inputs as JsonObject),
    'bindings',
  );
  t.same(step.resources, yaml.resources);
  t.same(step.resources, file.resources, 'the nodes are baked into the step too');
  t.equal(step.computeId, CLUSTER);
  t.match(CLUSTER, new RegExp(`/${String(yaml.compute).replace('azureml:', '')}$`));
  t.same(step.identity, yaml.identity);
  t.match(step.distribution, { distribution_type: 'Mpi', process_count_per_instance: 1 });
  t.match(yaml.distribution, { type: 'mpi', process_count_per_instance: 1 });
  t.equal((yaml.limits as JsonObject).timeout, 24 * 3600);
  t.match(step.limits, { timeout: 'P1D' });

  const cluster = amlFile('compute.yml');
  t.match(
    clusterBody({ name: 'c', vmSize: 'v', lowPriority: false, maxNodes: 4, subnet: 's', identity: 'i' }, 'l'),
    {
      properties: {
        properties: {
          enableNodePublicIp: cluster.enable_node_public_ip,
          remoteLoginPortPublicAccess: 'Disabled',
          scaleSettings: {
            minNodeCount: cluster.min_instances,
            maxNodeCount: cluster.max_instances,
            nodeIdleTimeBeforeScaleDown: `PT${cluster.idle_time_before_scale_down}S`,
          },
        },
      },
    },
  );
  t.same(
    { ...amlFile('compute-low-priority.yml'), name: '', tier: '', description: '' },
    { ...cluster, name: '', tier: '', description: '' },
    'the clusters differ in their priority only',
  );
});

t.test('what the YAML names exists', async (t) => {
  const component = amlFile('component.yml') as unknown as {
    inputs: Record<string, { optional?: boolean }>;
    command: string;
  };
  const used = [...component.command.matchAll(/\$\{\{inputs\.(\w+)\}\}/g)].map(([, name]) => name ?? '');
  t.same([...used].sort(), Object.keys(component.inputs).sort(), 'inputs: declared are used');
  const optional = [...component.command.matchAll(/\$\[\[\$\{\{inputs\.(\w+)\}\}\]\]/g)].map(
    ([, name]) => name ?? '',
  );
  const declared = Object.entries(component.inputs)
    .filter(([, input]) => input.optional)
    .map(([name]) => name);
  t.same(optional, declared, 'what may be missing is in brackets that go with it');
  for (const file of ['pipeline-component.yml', 'pipeline.yml']) {
    const { inputs, jobs } = amlFile(file) as unknown as {
      inputs: object;
      jobs: Record<string, { component: string; inputs: Record<string, string> }>;
    };
    for (const job of Object.values(jobs)) {
      t.equal(job.component, './component.yml');
      for (const [name, value] of Object.entries(job.inputs)) {
        const parent = /^\$\{\{parent\.inputs\.(\w+)\}\}$/.exec(value)?.[1] ?? '';
        t.ok(name in component.inputs && parent in inputs, `${file}: ${name}`);
      }
      const needed = Object.keys(component.inputs).filter((name) => !declared.includes(name));
      t.same(
        needed.filter((name) => !(name in job.inputs)),
        [],
        `${file}: nothing is missing`,
      );
    }
  }
  t.equal(amlFile('deployment.yml').endpoint_name, amlFile('endpoint.yml').name);
  t.equal((amlFile('deployment.yml').settings as JsonObject).default_compute, amlFile('compute.yml').name);
  const sent = (invocationBody(FILM).properties as JsonObject).InputData;
  t.same(Object.keys(amlFile('inputs.yml').inputs as object), Object.keys(sent as object));
});

t.test('REST bodies fit their schemas', async (t) => {
  const step = stepComponent({
    environmentId: '/subscriptions/s/environments/framescatter/versions/1',
    spread: { nodes: 2, gpusPerNode: 4 },
    variables: { A: 'b;c=https://d/' },
  });
  const model = 'wave:0.6,udnie:0.4';
  const film = { ...FILM, model, options: ['--crf', '20'] };
  const spec = {
    name: 'c',
    vmSize: 'Standard_NC40ads_H100_v5',
    lowPriority: true,
    maxNodes: 4,
    subnet: SUBNET,
    identity: IDENTITY,
  };
  t.same(bodyProblems('environments/versions', environmentBody('r.azurecr.io/f:1')), []);
  t.same(bodyProblems('components/versions', componentBody(step, '1')), []);
  t.same(
    bodyProblems(
      'components/versions',
      componentBody(pipelineComponent('/step', { nodes: 2, gpusPerNode: 4 }, CLUSTER), '1'),
    ),
    [],
  );
  t.same(bodyProblems('computes', clusterBody(spec, 'westeurope')), []);
  t.same(bodyProblems('jobs', jobBody(film, { nodes: 4, gpusPerNode: 2 }, '/step', '/compute')), []);
  t.same(bodyProblems('batchEndpoints', endpointBody('westeurope', 'stylize')), []);
  t.same(bodyProblems('batchEndpoints/deployments', deploymentBody('westeurope', '/pipeline', 'c')), []);
  t.match(growthBody(8), { properties: { properties: { scaleSettings: { maxNodeCount: 8 } } } });
  // What the schemas do not describe: components are YAML as JSON, so the YAML's schema holds for the step.
  t.same(yamlProblems('commandComponent', step), []);
  t.match(step.command, /^env 'A=b;c=https:\/\/d\/' 'FRAMESCATTER_EXPECTED_RANKS=8' node \/opt/);
  t.same(variablesOf(String(step.command)), { A: 'b;c=https://d/' });
  const unquotable = { environmentId: '/e', spread: FOUR, variables: { A: "b'; id" } };
  t.throws(() => stepComponent(unquotable), { message: 'the value of A cannot be passed to jobs' });
  t.match(jobBody(film, { nodes: 4, gpusPerNode: 2 }, '/step', '/compute'), {
    properties: {
      inputs: { options: { jobInputType: 'literal', value: '--crf 20' } },
      jobs: {
        stylize: {
          computeId: '/compute',
          componentId: '/step',
          inputs: { options: { job_input_type: 'literal', value: `$${'{{parent.inputs.options}}'}` } },
          distribution: { distribution_type: 'Mpi', process_count_per_instance: 2 },
          resources: { instance_count: 4 },
        },
      },
    },
  });
  t.notMatch(
    JSON.stringify(jobBody(FILM, { nodes: 1, gpusPerNode: 1 }, '/s', '/c')),
    'options',
    'none given, none sent',
  );
});

t.test('versions say what is in them', async (t) => {
  t.equal(versionOf({ a: 1 }, '0.1.0'), versionOf({ a: 1 }, '0.1.0'));
  t.not(versionOf({ a: 1 }, '0.1.0'), versionOf({ a: 2 }, '0.1.0'));
  t.match(versionOf({ a: 1 }, '0.1.0'), /^0\.1\.0-[0-9a-f]{12}$/);
});
