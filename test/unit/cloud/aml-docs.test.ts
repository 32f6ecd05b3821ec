import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAml } from '../../../src/cli/aml/parse-aml.js';
import { checkJob } from '../../../src/cli/job/parse-job.js';
import { parseWatch } from '../../../src/cli/watch/parse-watch.js';
import { GPU_SIZES } from '../../../src/cloud/gpu-sizes.js';
import { packageRoot } from '../../../src/system/package.js';
import { deploy, readTemplate } from '../../fixtures/arm-template.js';

/** Tables' columns may be aligned: spaces beside their bars mean nothing. */
const TEXT = readFileSync(join(packageRoot(), 'docs', 'azure-ml.md'), 'utf8')
  .replace(/ *\| */g, ' | ')
  .replace(/^ | $/gm, '');
const README = readFileSync(join(packageRoot(), 'aml', 'README.md'), 'utf8');
const BLOB = 'https://films.blob.core.windows.net';

t.test('the table of sizes is the one that the program goes by', async (t) => {
  const rows = TEXT.split('\n').filter((line) => line.startsWith('| Standard_'));
  const expected = GPU_SIZES.map(({ name, gpus, gpu, gpuMemory, cores, state }) => {
    return `| ${[name, gpus, gpu, `${gpuMemory} GB`, cores, state].join(' | ')} |`;
  });
  t.same(rows, expected);
});

t.test('files that are named exist', async (t) => {
  const named = [...TEXT.matchAll(/\baml\/[\w/.-]+\.(?:json|yml|md)/g)].map(([path]) => path);
  const listed = [...README.matchAll(/`(infra\/[\w-]+\.json|[\w-]+\.yml)`/g)].map(
    ([, path]) => `aml/${path}`,
  );
  t.ok(named.length > 10 && listed.length > 10);
  for (const path of new Set([...named, ...listed])) t.ok(existsSync(join(packageRoot(), path)), path);
});

t.test('commands of the program are ones that it takes', async (t) => {
  const lines = TEXT.replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => /main\.js\s+(?:submit|publish|invoke) +aml/.test(line));
  t.equal(lines.length, 4);
  const watches = TEXT.split('\n').filter((line) => /main\.js watch/.test(line));
  t.equal(watches.length, 1);
  const values: Readonly<Record<string, string>> = {
    IN: `${BLOB}/videos-in/film.mp4`,
    OUT: `${BLOB}/videos-out/film.mp4`,
    $subnet: '/subscriptions/s/resourceGroups/g/providers/x',
    $identity: '/subscriptions/s/resourceGroups/g/providers/y',
  };
  const environment = {
    AZURE_SUBSCRIPTION_ID: '11111111-2222-3333-4444-555555555555',
    AZURE_RESOURCE_GROUP: 'films',
    AZUREML_WORKSPACE_NAME: 'framescatter-ml',
  };
  for (const line of watches) {
    const words = line
      .replace(/.*main\.js watch /, '')
      .replace('$queue', 'https://films.queue.core.windows.net/uploads')
      .replace('$state', 'https://state.blob.core.windows.net/watch')
      .replaceAll('$data', 'films')
      .split(/ +/);
    t.match(parseWatch(words, environment, checkJob), { kind: 'watch', run: 'aml' }, line);
  }
  for (const line of lines) {
    const [, verb = '', rest = ''] =
      /main\.js\s+(submit|publish|invoke) +aml (.*)/.exec(line.replace(/ # .*| {2,}#.*/, '')) ?? [];
    const words = rest
      .trim()
      .split(/ +/)
      .map(
        (word) =>
          values[word] ??
          word.replace('$data', 'films').replace('$registry', 'films').replace('$RANDOM', '1'),
      );
    t.equal(parseAml(verb as 'submit', words, environment, () => undefined).kind, verb, line);
  }
});

t.test('parameters and outputs of the templates that commands name are there', async (t) => {
  const deployments = [
    ...TEXT.matchAll(/az deployment group create -n (\w+) +-f aml\/infra\/([\w-]+)\.json(.*)/g),
  ];
  t.equal(deployments.length, 7);
  const outputs = new Set<string>();
  for (const [, deployment, template = '', rest = ''] of deployments) {
    const { parameters, outputs: made } = readTemplate(template);
    for (const name of Object.keys(made)) outputs.add(`${deployment} ${name}`);
    for (const [, name = ''] of rest.matchAll(/ (\w+)=/g)) t.ok(name in parameters, `${template}: ${name}`);
  }
  const named = [...TEXT.matchAll(/\$\(output (\w+ \w+)\)/g)].map(([, words = '']) => words);
  t.equal(named.length, 7);
  for (const words of named) t.ok(outputs.has(words), words);
});

t.test('the table of rights has every role that the templates give, and no other', async (t) => {
  const table = TEXT.slice(TEXT.indexOf('| who | may | on |'), TEXT.indexOf('- Videos are in one account'));
  const given = new Set<string>();
  for (const name of ['foundation', 'storage', 'workspace', 'trigger-logic-app', 'trigger-queue']) {
    const { resources } = deploy(readTemplate(name), { customerManagedKey: true, endpointUri: 'https://x' });
    for (const { type, body } of resources) {
      if (type === 'Microsoft.Authorization/roleAssignments')
        given.add(String(body.comments).replace(/:.*/, ''));
    }
  }
  const byTemplates = table
    .split('\n')
    .filter((line) => !line.includes('given by you'))
    .join('\n');
  const written = new Set([...byTemplates.matchAll(/[*_]([A-Z][^*_|]+)[*_]/g)].map(([, role]) => role));
  t.same([...written].sort(), [...given].sort());
});
