import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import t from 'tap';
import { packageRoot } from '../../../src/system/package.js';

const ROOT = packageRoot();
const PAGES = [
  ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'aml/README.md', 'models/README.md'],
  'models/train/README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

t.test('links between pages, and from pages to files, lead somewhere', async (t) => {
  let links = 0;
  for (const page of PAGES) {
    for (const [, path = '', anchor] of read(page).matchAll(/\]\(([^)#\s]*)(?:#([^)]*))?\)/g)) {
      if (/^[a-z]+:/.test(path)) continue;
      links += 1;
      const target = path === '' ? page : normalize(join(dirname(page), path));
      t.ok(existsSync(join(ROOT, target)), `${page}: ${path}`);
      if (anchor !== undefined && target.endsWith('.md')) {
        t.ok(anchorsOf(target).includes(anchor), `${page}: ${path}#${anchor}`);
      }
    }
  }
  t.ok(links > 100, 'links are found');
});

t.test('lines of pages are at most 120 columns, but for tables, commands and links', async (t) => {
  for (const page of PAGES) {
    const long = read(page)
      .replace(/^```[\s\S]*?^```/gm, '')
      .split('\n')
      .filter((line) => line.length > 120 && !/^(\||!\[| {4})/.test(line) && !line.includes(']('));
    t.strictSame(long, [], page);
  }
});

/** GitHub's names of a page's headings. */
function anchorsOf(page: string): readonly string[] {
  return [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function read(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8');
}
