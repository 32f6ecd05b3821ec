/** The commands in README and docs are ones that the program takes. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseArguments } from '../../../src/cli/arguments.js';
import { packageRoot } from '../../../src/system/package.js';

/** The id of an Azure resource. */
function resource(path: string): string {
  return `/subscriptions/01234567-89ab-cdef-0123-456789abcdef/resourceGroups/films/providers/Microsoft.${path}`;
}

/** What a reader puts in the place of variables and of words in capitals. */
const BLOBS = 'https://account.blob.core.windows.net/videos';
const VALUES: Readonly<Record<string, string>> = {
  ...{
    $blobs: BLOBS,
    $data: 'account',
    $registry: 'registry',
    $queue: `${BLOBS.replace('blob', 'queue')}-q`,
  },
  ...{ $RANDOM: '12345', IN: `${BLOBS}/in.mp4`, OUT: `${BLOBS}/out.mp4`, ADDRESS: `${BLOBS}/in.mp4` },
  ...{ ACCOUNT: 'account', REGISTRY: 'registry', $subnet: resource('Network/virtualNetworks/v/subnets/s') },
  ...{ $identity: resource('ManagedIdentity/userAssignedIdentities/i') },
};
/** The variables that docs/azure-ml.md has a reader set first. */
const ENVIRONMENT = {
  AZURE_SUBSCRIPTION_ID: '01234567-89ab-cdef-0123-456789abcdef',
  AZURE_RESOURCE_GROUP: 'films',
  AZUREML_WORKSPACE_NAME: 'films',
};
const PLACEHOLDER = /\$\w+|\b(?:IN|OUT|ADDRESS|ACCOUNT|REGISTRY)\b/g;
/** By its file anywhere; by its name where a command begins, in a container too: the name is also that of other things. */
const PROGRAM = /(?:node dist\/main\.js|(?:^\s*|-- |:[\d.]+ )framescatter)((?:\s+(?:"[^"]*"|[^\s"]+))*)/;
/** The name of a command, without what it takes. */
const NAME_ONLY = /^(?:watch|retry|(?:submit|publish|invoke)(?: \w+)?)$/;

const pages = readdirSync(join(packageRoot(), 'docs')).filter((name) => name.endsWith('.md'));
const files = ['README.md', ...pages.map((name) => join('docs', name))];

/** The lines of a page's code blocks, and what stands between backquotes in its text. */
function code(page: string): readonly string[] {
  const whole = page.replace(/\\\n\s*/g, ' ');
  let fenced = false;
  return whole.split('\n').flatMap((line) => {
    if (/^\s*```/.test(line)) fenced = !fenced;
    if (fenced || /^ {4}/.test(line)) return [line];
    return [...line.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text);
  });
}

/** The arguments that a shell would make of a line's command; undefined where there is none of ours, or it is cut short. */
function argumentsIn(line: string): readonly string[] | undefined {
  const command = PROGRAM.exec(line.replace(/(?:^|\s+)#.*$|\s>\s\S+$/g, ''))?.[1]?.trim() ?? '';
  if (command === '' || command.includes('...') || NAME_ONLY.test(command)) return undefined;
  const filled = command.replace(PLACEHOLDER, (name) => VALUES[name] ?? name);
  return [...filled.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}

t.test('no command in README or docs is a usage error', async (t) => {
  let commands = 0;
  for (const file of files) {
    for (const line of code(readFileSync(join(packageRoot(), file), 'utf8'))) {
      const words = argumentsIn(line);
      if (words === undefined) continue;
      commands += 1;
      t.doesNotThrow(() => parseArguments(words, '1', ENVIRONMENT), `${file}: ${line.trim()}`);
      const inner =
        words[0] === 'retry' ? argumentsIn(words.slice(words.indexOf('--') + 1).join(' ')) : undefined;
      if (inner !== undefined)
        t.doesNotThrow(() => parseArguments(inner, '1', ENVIRONMENT), `${file}: ${line.trim()}`);
    }
  }
  t.ok(commands > 25, `${commands} commands were found`);
});
