/** Prints the licences of the packages that an installation brings, as they are in node_modules, and of what lies in native/third_party. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));

for (const [path, { dev, devOptional, optional, version, license }] of Object.entries(lock.packages)) {
  if (path === '' || dev || devOptional) continue;
  const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  const text = licenceIn(join(root, path));
  if (optional && !existsSync(join(root, path))) continue; // of another platform
  print(`${name} ${version}: ${license ?? 'see below'}`, text ?? 'The package has no licence file.');
}
const vendored = join(root, 'native/third_party');
for (const name of readdirSync(vendored)) print(`native/third_party/${name}`, licenceIn(join(vendored, name)) ?? '');

function licenceIn(folder) {
  try {
    const names = readdirSync(folder);
    const file = names.find((name) => /^(licen[cs]e|copying)\b/i.test(name)) ?? (folder.includes('third_party') ? 'README.md' : undefined);
    return file === undefined ? undefined : readFileSync(join(folder, file), 'utf8').trim();
  } catch {
    return undefined;
  }
}

function print(title, text) {
  process.stdout.write(`${'='.repeat(78)}\n${title}\n${'='.repeat(78)}\n${text}\n\n`);
}
