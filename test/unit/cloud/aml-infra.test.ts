import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { packageRoot } from '../../../src/system/package.js';
import {
  type DeployedResource,
  type Deployment,
  deploy,
  infraFile,
  readTemplate,
} from '../../fixtures/arm-template.js';
import { resourceProblems } from '../../fixtures/schemas.js';

const ORDER = ['network', 'foundation', 'storage', 'workspace'] as const;
const TRIGGERS = ['trigger-logic-app', 'trigger-queue'] as const;
const ALL = [...ORDER, ...TRIGGERS];
type Name = (typeof ALL)[number];

const VARIANTS = [
  { title: 'as it comes', parameters: {} },
  {
    title: 'own keys, an operator, an open workspace',
    parameters: {
      customerManagedKey: true,
      operatorIpAddresses: ['203.0.113.7', '198.51.100.0/24'],
      publicNetworkAccess: 'Enabled',
    },
  },
];

function deployed(name: Name, parameters: Readonly<Record<string, unknown>>): Deployment {
  const template = readTemplate(name);
  const given = Object.fromEntries(Object.entries(parameters).filter(([key]) => key in template.parameters));
  const endpoint =
    'endpointUri' in template.parameters
      ? { endpointUri: 'https://e.westeurope.inference.ml.azure.com/jobs' }
      : {};
  return deploy(template, { ...endpoint, ...given });
}

for (const { title, parameters } of VARIANTS) {
  t.test(`templates, ${title}`, async (t) => {
    const known = new Set<string>();
    for (const name of ALL) {
      const { resources } = deployed(name, parameters);
      const ids = new Set(resources.map(({ id }) => id));
      t.equal(ids.size, resources.length, `${name}: no two resources are one`);
      for (const resource of resources) {
        t.same(resourceProblems(resource.body as never), [], `${name}: ${resource.id} fits its schema`);
        for (const other of resource.dependsOn)
          t.ok(ids.has(other), `${name}: ${resource.id} depends on ${other}`);
        const needed = [...resource.mentions, ...parentOf(resource)].filter((id) => !id.endsWith('/*'));
        for (const other of needed) {
          const owner = ownerOf(other);
          t.ok(ids.has(owner) || known.has(owner), `${name}: ${resource.id} names ${other}, which exists`);
          if (!ids.has(owner) || owner === resource.id) continue;
          t.ok(reaches(resources, resource, owner), `${name}: ${resource.id} waits for ${owner}`);
        }
      }
      if ((ORDER as readonly string[]).includes(name)) for (const id of ids) known.add(id);
    }
  });
}

t.test('every parameter and variable is used, and every file of parameters fits its template', async (t) => {
  for (const name of ALL) {
    const template = readTemplate(name);
    const { usedParameters, usedVariables } = deployed(name, {});
    t.same(
      Object.keys(template.parameters).filter((one) => !usedParameters.has(one)),
      [],
      `${name}: parameters`,
    );
    t.same(
      Object.keys(template.variables).filter((one) => !usedVariables.has(one)),
      [],
      `${name}: variables`,
    );
    const file = JSON.parse(infraFile(`${name}.parameters.json`)) as {
      parameters: Record<string, { value: unknown }>;
    };
    for (const [key, { value }] of Object.entries(file.parameters)) {
      const declared = template.parameters[key];
      t.ok(declared, `${name}: ${key} is a parameter`);
      t.equal(
        Array.isArray(value) ? 'array' : typeof value,
        { string: 'string', bool: 'boolean', int: 'number', array: 'array' }[declared?.type ?? ''],
        `${name}: type of ${key}`,
      );
    }
    const required = Object.entries(template.parameters).filter(
      ([, { defaultValue }]) => defaultValue === undefined,
    );
    for (const [key] of required) t.ok(key in file.parameters, `${name}: ${key} has a value`);
  }
  const files = readdirSync(join(packageRoot(), 'aml', 'infra')).filter((one) => one.endsWith('.json'));
  t.same(
    files.sort(),
    [...ALL, 'main'].flatMap((name) => [`${name}.json`, `${name}.parameters.json`]).sort(),
    'nothing else is there',
  );
});

t.test('storage and vault are closed', async (t) => {
  for (const { parameters } of VARIANTS) {
    const accounts = ofType(deployed('storage', parameters), 'Microsoft.Storage/storageAccounts');
    t.equal(accounts.length, 2, 'videos apart from scripts and logs');
    for (const { body } of accounts) {
      t.match(body.properties, {
        allowSharedKeyAccess: false,
        allowBlobPublicAccess: false,
        minimumTlsVersion: 'TLS1_2',
        supportsHttpsTrafficOnly: true,
        defaultToOAuthAuthentication: true,
        networkAcls: { defaultAction: 'Deny' },
      });
    }
    const [vault] = ofType(deployed('foundation', parameters), 'Microsoft.KeyVault/vaults');
    t.match(vault?.body.properties, {
      publicNetworkAccess: 'Disabled',
      enableRbacAuthorization: true,
      enablePurgeProtection: true,
    });
    const [workspace] = ofType(
      deployed('workspace', parameters),
      'Microsoft.MachineLearningServices/workspaces',
    );
    t.match(workspace?.body.properties, { systemDatastoresAuthMode: 'Identity', hbiWorkspace: true });
    const [registry] = ofType(deployed('workspace', parameters), 'Microsoft.ContainerRegistry/registries');
    t.match(registry?.body.properties, {
      adminUserEnabled: false,
      networkRuleSet: { defaultAction: 'Deny' },
    });
  }
  const own = ofType(
    deployed('storage', { customerManagedKey: true }),
    'Microsoft.Storage/storageAccounts',
  )[0];
  t.match(own?.body, {
    identity: { type: 'UserAssigned' },
    properties: { encryption: { keySource: 'Microsoft.Keyvault', keyvaultproperties: { keyname: 'data' } } },
  });
  const microsofts = ofType(deployed('storage', {}), 'Microsoft.Storage/storageAccounts')[0];
  t.match(microsofts?.body, {
    identity: { type: 'None' },
    properties: { encryption: { keySource: 'Microsoft.Storage' } },
  });
});

t.test('nodes have no public address, and reach only services', async (t) => {
  const network = deployed('network', {});
  const subnets = propertiesOf<{ subnets: Subnet[] }>(
    ofType(network, 'Microsoft.Network/virtualNetworks')[0],
  ).subnets;
  const training = subnets.find(({ name }) => name === 'training');
  t.match(training?.properties, { defaultOutboundAccess: false, natGateway: { id: /natGateways/ } });
  const group = ofType(network, 'Microsoft.Network/networkSecurityGroups').find(
    ({ id }) => id === training?.properties.networkSecurityGroup.id,
  );
  const rules = propertiesOf<{ securityRules: Rule[] }>(group).securityRules;
  const outward = rules.filter(({ properties }) => properties.direction === 'Outbound');
  const last = outward.at(-1)?.properties;
  t.match(last, { access: 'Deny', destinationAddressPrefix: 'Internet', protocol: '*' });
  for (const { name, properties } of outward.slice(0, -1)) {
    t.ok(properties.priority < (last?.priority ?? 0), `${name} comes before the refusal`);
    t.match(properties.destinationAddressPrefix, /^[A-Z][A-Za-z]+(\.[A-Za-z]+)?$/, `${name} names a service`);
  }
  const reached = outward.slice(0, -1).map(({ properties }) => {
    const { protocol, destinationAddressPrefix: service, destinationPortRanges: ports = [] } = properties;
    return `${service} ${protocol} ${ports.join(' ')}`;
  });
  // "Configure inbound and outbound network traffic" of Azure ML's documentation; the vault is for hbiWorkspace.
  // AzureFrontDoor.FrontEnd is for the studio and AutoML alone, and lets data out.
  t.same(reached.sort(), [
    'AzureActiveDirectory Tcp 80 443',
    'AzureFrontDoor.FirstParty Tcp 443',
    'AzureKeyVault.westeurope Tcp 443',
    'AzureMachineLearning Tcp 443 8787 18881',
    'AzureMachineLearning Udp 5831',
    'AzureMonitor Tcp 443',
    'AzureResourceManager Tcp 443',
    'BatchNodeManagement.westeurope Tcp 443',
    'MicrosoftContainerRegistry Tcp 443',
    'Storage.westeurope Tcp 443',
  ]);
  t.equal(
    new Set(rules.map(({ properties }) => properties.priority)).size,
    rules.length,
    'no two rules have one priority',
  );
  t.notOk(
    rules.some(({ properties }) => properties.direction === 'Inbound'),
    'the default rules let the virtual network in',
  );
});

t.test('least rights', async (t) => {
  const ROLES: Readonly<Record<string, string>> = {
    '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1': 'Storage Blob Data Reader',
    'ba92f5b4-2d11-453d-a403-e96b0029c9fe': 'Storage Blob Data Contributor',
    'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a': 'Storage Queue Data Message Sender',
    '974c5e8b-45b9-4653-ba55-5f855dd0fb88': 'Storage Queue Data Contributor',
    'f6c7c914-8db3-469d-8ca1-694a8f32e121': 'AzureML Data Scientist',
    '7f951dda-4ed3-4680-a7ca-43fe172d538d': 'AcrPull',
    'e147488a-f6f5-4113-8e2d-b22465e65bf6': 'Key Vault Crypto Service Encryption User',
    '3913510d-42f4-4e42-8a64-420c390055eb': 'Monitoring Metrics Publisher',
  };
  const rights: string[] = [];
  for (const name of ALL) {
    const deployment = deployed(name, { customerManagedKey: true });
    const own = ofType(deployment, 'Microsoft.Authorization/roleDefinitions').map(({ id }) => id);
    for (const { body } of ofType(deployment, 'Microsoft.Authorization/roleAssignments')) {
      const { roleDefinitionId, principalId, principalType } = body.properties as Readonly<
        Record<string, string>
      >;
      const role = own.includes(roleDefinitionId ?? '')
        ? 'Endpoint caller'
        : ROLES[roleDefinitionId?.split('/').at(-1) ?? ''];
      t.ok(role, `${roleDefinitionId} is a role that we mean`);
      t.equal(principalType, 'ServicePrincipal');
      t.match(body.comments, role ?? '', 'the comment says the role');
      const who = /\/([^/]+?)(?:\.identity)?\.principalId\)$/.exec(principalId ?? '')?.[1];
      const where = String(body.scope).split('/').slice(-2).join('/');
      rights.push(`${who}: ${role} on ${where.replace(/u[0-9a-f]{12}$/, '')}`);
    }
  }
  t.same([...new Set(rights)].sort(), [
    'framescatter-cluster: AcrPull on registries/framescatter',
    'framescatter-cluster: Monitoring Metrics Publisher on components/framescatter-insights',
    'framescatter-cluster: Storage Blob Data Contributor on containers/videos-out',
    'framescatter-cluster: Storage Blob Data Contributor on storageAccounts/framesstate',
    'framescatter-cluster: Storage Blob Data Reader on containers/videos-in',
    'framescatter-encryption: Key Vault Crypto Service Encryption User on vaults/framescatt-',
    'framescatter-trigger: Endpoint caller on workspaces/framescatter-ml',
    'framescatter-trigger: Storage Blob Data Contributor on containers/claims',
    'framescatter-trigger: Storage Blob Data Contributor on containers/failed',
    'framescatter-uploads: Storage Blob Data Contributor on containers/dead-letters',
    'framescatter-uploads: Storage Queue Data Message Sender on queues/uploads',
    'framescatter-watcher: AzureML Data Scientist on workspaces/framescatter-ml',
    'framescatter-watcher: Storage Blob Data Contributor on containers/videos-out',
    'framescatter-watcher: Storage Blob Data Contributor on containers/watch',
    'framescatter-watcher: Storage Blob Data Reader on containers/videos-in',
    'framescatter-watcher: Storage Queue Data Contributor on queues/uploads',
  ]);
});

t.test('what Azure ML assigns by itself, no template assigns: a second assignment is refused', async (t) => {
  // "the managed identity is automatically assigned the permissions": how-to-disable-local-auth-storage.md.
  const { resources } = deployed('workspace', {});
  const [workspace] = resources.filter(({ type }) => type.endsWith('/workspaces'));
  t.match(workspace?.body.identity, { type: 'SystemAssigned' });
  for (const { body } of ofType({ resources } as Deployment, 'Microsoft.Authorization/roleAssignments'))
    t.notMatch(JSON.stringify(body.properties), 'MachineLearningServices/workspaces', String(body.comments));
});

t.test('the trigger may call endpoints, and neither changes them nor reads keys', async (t) => {
  const [role] = ofType(deployed('trigger-logic-app', {}), 'Microsoft.Authorization/roleDefinitions');
  const [{ actions = [] } = {}] = propertiesOf<{ permissions: { actions: string[] }[] }>(role).permissions;
  const ours = actions.map((one) => one.replace('Microsoft.MachineLearningServices/workspaces/', ''));
  t.ok(ours.includes('batchEndpoints/jobs/write') && ours.includes('experiments/runs/submit/action'));
  t.same(
    ours.filter((one) =>
      /\*|secret|listKeys|AccountKeys|(?:Endpoints|deployments|stores|environments)\/write/i.test(one),
    ),
    [],
  );
});

t.test('a list of addresses is let in, and none but these', async (t) => {
  for (const addresses of [[], ['203.0.113.7', '198.51.100.0/24']]) {
    const rules = addresses.map((value) => ({ value, action: 'Allow' }));
    const parameters = { operatorIpAddresses: addresses };
    const [data, state] = ofType(deployed('storage', parameters), 'Microsoft.Storage/storageAccounts');
    const [registry] = ofType(deployed('workspace', parameters), 'Microsoft.ContainerRegistry/registries');
    const { networkAcls } = propertiesOf<{ networkAcls: { ipRules: unknown } }>(data);
    t.same(networkAcls.ipRules, rules);
    t.same(propertiesOf<{ networkRuleSet: { ipRules: unknown } }>(registry).networkRuleSet.ipRules, rules);
    t.notMatch(JSON.stringify(state?.body), 'ipRules', 'scripts, logs and journals: the network alone');
  }
});

t.test(
  'the default storage of the workspace has the private endpoints that batch endpoints need',
  async (t) => {
    // how-to-secure-workspace-vnet.md: queue and table "if you plan to use Batch endpoints".
    const endpoints = ofType(deployed('storage', {}), 'Microsoft.Network/privateEndpoints');
    const links = endpoints
      .map(({ body }) => JSON.stringify(body.properties))
      .filter((one) => /state/.test(one));
    t.same(links.map((one) => /"groupIds":\["(\w+)"\]/.exec(one)?.[1]).sort(), [
      'blob',
      'file',
      'queue',
      'table',
    ]);
  },
);

t.test('names keep to the rules of Azure, with the longest prefix too', async (t) => {
  for (const prefix of ['framescatter', 'abc', 'abcdefghijkl']) {
    for (const name of ALL) {
      for (const { type, name: made } of deployed(name, { prefix, customerManagedKey: true }).resources) {
        if (type === 'Microsoft.Storage/storageAccounts') t.match(made, /^[a-z0-9]{3,24}$/);
        if (type === 'Microsoft.KeyVault/vaults') t.match(made, /^[a-z][a-z0-9-]{1,22}[a-z0-9]$/);
        if (type === 'Microsoft.ContainerRegistry/registries') t.match(made, /^[a-z0-9]{5,50}$/);
        if (type === 'Microsoft.MachineLearningServices/workspaces') t.match(made, /^[a-z][a-z0-9-]{2,32}$/);
      }
    }
  }
});

t.test('neither a template nor its outputs hold a secret', async (t) => {
  for (const name of ALL) {
    const text = infraFile(`${name}.json`);
    t.notMatch(text, /listKeys|listAccountSas|listCredentials|connectionString/i, name);
    const { outputs } = deployed(name, {});
    t.notMatch(JSON.stringify(outputs), /callback|runtime\(/, `${name}: outputs`);
  }
});

interface Subnet {
  readonly name: string;
  readonly properties: { readonly networkSecurityGroup: { readonly id: string } };
}

interface Rule {
  readonly name: string;
  readonly properties: {
    readonly direction: string;
    readonly priority: number;
    readonly protocol: string;
    readonly destinationAddressPrefix: string;
    readonly destinationPortRanges?: readonly string[];
  };
}

function propertiesOf<T>(resource: DeployedResource | undefined): T {
  if (resource === undefined) throw new Error('no such resource');
  return resource.body.properties as T;
}

function ofType({ resources }: Deployment, type: string): readonly DeployedResource[] {
  return resources.filter((one) => one.type === type);
}

/** Subnets are made by their network, triggers by their workflow, keys' versions by their key. */
function ownerOf(id: string): string {
  return id.replace(/\/(?:subnets|triggers)\/[^/]+$/, '');
}

function parentOf({ id, type, body }: DeployedResource): readonly string[] {
  return type.split('/').length > 2 && body.scope === undefined ? [id.split('/').slice(0, -2).join('/')] : [];
}

function reaches(resources: readonly DeployedResource[], from: DeployedResource, to: string): boolean {
  return from.dependsOn.some((id) => {
    const next = resources.find((one) => one.id === id);
    return id === to || (next !== undefined && reaches(resources, next, to));
  });
}
