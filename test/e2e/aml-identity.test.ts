/** How a job on Azure ML signs in: with the real @azure/identity, and the variables that Azure ML sets. */
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const TOKENS = fileURLToPath(new URL('../../src/cloud/tokens.js', import.meta.url));
const SCRIPT = `
import { defaultCredential } from ${JSON.stringify(TOKENS)};
const { token } = await (await defaultCredential()).getToken('https://storage.azure.com/.default');
process.stdout.write(token);
`;

t.test('rank 0 signs in as the cluster', async (t) => {
  const asked: { readonly query: object; readonly secret: unknown }[] = [];
  const server = createServer((request, response) => {
    const query = Object.fromEntries(new URL(request.url ?? '', 'http://x').searchParams);
    asked.push({ query, secret: request.headers.secret });
    const expires = String(Math.floor(Date.now() / 1000) + 3600);
    const answer = { access_token: 'the-token', expires_on: expires, token_type: 'Bearer' };
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ ...answer, ...query }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT], {
    env: {
      PATH: '/nowhere',
      MSI_ENDPOINT: `http://127.0.0.1:${port}/msi/token`,
      MSI_SECRET: 'of-this-job',
      DEFAULT_IDENTITY_CLIENT_ID: '22222222-3333-4444-5555-666666666666',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (chunk) => (out += chunk));
  const code = await new Promise((resolve) => child.on('close', resolve));
  t.same({ code, out }, { code: 0, out: 'the-token' });
  t.match(asked, [
    {
      query: {
        'api-version': '2017-09-01',
        resource: /^https:\/\/storage\.azure\.com/,
        clientid: '22222222-3333-4444-5555-666666666666',
      },
      secret: 'of-this-job',
    },
  ]);
  t.equal(asked.length, 1);
});
