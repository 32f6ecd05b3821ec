/** The manifests in the documentation are ones that the program takes. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseManifest } from '../../../src/model/load/manifest.js';
import { packageRoot } from '../../../src/system/package.js';

t.test('every manifest of docs is valid', async (t) => {
  const formats = new Map<number, number>();
  const folder = join(packageRoot(), 'docs');
  for (const page of readdirSync(folder)) {
    for (const [, text = ''] of readFileSync(join(folder, page), 'utf8').matchAll(
      /```json\n([\s\S]*?)```/g,
    )) {
      const format = /^\s*\{\s*"format": (\d)/.exec(text)?.[1];
      if (format === undefined) continue;
      t.doesNotThrow(() => parseManifest(text, page), text);
      formats.set(Number(format), (formats.get(Number(format)) ?? 0) + 1);
    }
  }
  t.ok((formats.get(1) ?? 0) >= 1 && (formats.get(2) ?? 0) >= 10, 'manifests are found');
});
