import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t from 'tap';
import { CONTEXT, LEFT_OUT, readContext } from '../../../src/cloud/deploy/build-context.js';
import { packageRoot } from '../../../src/system/package.js';

t.test('the context is what docker build would send', async (t) => {
  const lines = readFileSync(join(packageRoot(), '.dockerignore'), 'utf8').split('\n');
  const rules = lines.filter((line) => line !== '' && !line.startsWith('#') && line !== '*');
  const taken = rules.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
  t.same([...CONTEXT].sort(), [...taken, 'Dockerfile'].sort());
  t.same([...LEFT_OUT].sort(), rules.filter((line) => !line.startsWith('!')).sort());
});

t.test('tar reads the archive; the same files give the same bytes', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'framescatter-context-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  const put = (name: string, text: string): void => {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  };
  const folders = ['k8s', 'models', 'native', 'src'];
  for (const name of CONTEXT) put(folders.includes(name) ? `${name}/a` : name, name);
  put('src/empty', '');
  put(`src/${'long/'.repeat(25)}file.ts`, 'x'.repeat(5000));
  put('models/train/secret', 'no');
  put('.env', 'no');
  const first = await readContext(root);
  t.same((await readContext(root)).archive, first.archive);
  const list = execFileSync('tar', ['-tzf', '-'], { input: first.archive, encoding: 'utf8' }).split('\n');
  t.ok(list.includes(`src/${'long/'.repeat(25)}file.ts`));
  t.notOk(list.some((name) => /train|env/.test(name)));
  const text = execFileSync('tar', ['-xzOf', '-', `src/${'long/'.repeat(25)}file.ts`], {
    input: first.archive,
    encoding: 'utf8',
  });
  t.equal(text, 'x'.repeat(5000));
  put('src/a', 'changed');
  t.not((await readContext(root)).digest, first.digest);
  rmSync(join(root, 'Dockerfile'));
  await t.rejects(readContext(root), { code: 'cloud', hint: /clone of the repository, or give --image/ });
});
