import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { engineKey, engineRoot, withEngines } from '../../../src/model/session/engine-cache.js';
import { gpuModels } from '../../../src/system/devices.js';

const KEY = engineKey(Uint8Array.of(1, 2, 3), ['1.30.0', 'NVIDIA A100']);

/** TensorRT, as far as a cache knows it: takes the engine that is there, or builds one. */
function tensorRt(engine: string) {
  const folders: (string | undefined)[] = [];
  let built = 0;
  return {
    folders,
    built: () => built,
    async create(folder: string | undefined): Promise<string> {
      folders.push(folder);
      const file = folder && join(folder, 'graph.engine');
      if (file && existsSync(file)) {
        const found = readFileSync(file, 'utf8');
        if (found !== engine) throw new Error(`could not deserialize the engine ${found}`);
        return found;
      }
      built += 1;
      if (file) writeFileSync(file, engine);
      return engine;
    },
  };
}

function noNotes(line: string): void {
  throw new Error(line);
}

t.test('the folder is the user’s cache', async (t) => {
  t.equal(engineRoot({ XDG_CACHE_HOME: '/c' }), '/c/framescatter/tensorrt');
  for (const XDG_CACHE_HOME of [undefined, '', 'relative']) {
    t.equal(
      engineRoot({ XDG_CACHE_HOME }, () => '/home/a'),
      '/home/a/.cache/framescatter/tensorrt',
    );
  }
});

t.test('a user without a home does without, and is told', async (t) => {
  const home = (): never => {
    throw new Error('ENOENT');
  };
  t.equal(engineRoot({}, home), undefined);
  t.equal(engineRoot({ XDG_CACHE_HOME: '/c' }, home), '/c/framescatter/tensorrt');
  const notes: string[] = [];
  const { create, folders } = tensorRt('e');
  const cache = { root: engineRoot({}, home), key: KEY };
  t.equal(await withEngines(cache, create, (line) => void notes.push(line)), 'e');
  t.same(folders, [undefined]);
  t.match(notes, [/XDG_CACHE_HOME/]);
});

t.test('engines go by graph, version and GPU', async (t) => {
  const keys = [
    KEY,
    engineKey(Uint8Array.of(1, 2, 4), ['1.30.0', 'NVIDIA A100']),
    engineKey(Uint8Array.of(1, 2, 3), ['1.31.0', 'NVIDIA A100']),
    engineKey(Uint8Array.of(1, 2, 3), ['1.30.0', 'NVIDIA H100']),
    engineKey(Uint8Array.of(1, 2, 3), ['1.30.0']),
  ];
  t.equal(new Set(keys).size, keys.length);
  t.equal(engineKey(Uint8Array.of(1, 2, 3), ['1.30.0', 'NVIDIA A100']), KEY);
  t.ok(keys.every((key) => /^[0-9a-f]{64}$/.test(key)));
});

t.test('the driver’s names for the GPUs, each kind once', async (t) => {
  const folder = t.testdir({
    '0000:01:00.0': { information: 'Model: \t\t NVIDIA H100 80GB\nIRQ: 5\n' },
    '0000:02:00.0': { information: 'Model: \t\t NVIDIA A100\n' },
    '0000:03:00.0': { information: 'Model: \t\t NVIDIA H100 80GB\n' },
    '0000:04:00.0': {},
  });
  t.same(gpuModels(folder), ['NVIDIA A100', 'NVIDIA H100 80GB']);
  t.same(gpuModels(join(folder, 'none')), []);
});

t.test('engines are built once, kept for this user alone, and taken from then on', async (t) => {
  const root = join(t.testdir(), 'new', 'tensorrt');
  const { create, built, folders } = tensorRt('e');
  for (let i = 0; i < 3; i += 1) t.equal(await withEngines({ root, key: KEY }, create, noNotes), 'e');
  t.equal(built(), 1);
  t.not(folders[0], join(root, KEY), 'built aside');
  t.same(folders.slice(1), [join(root, KEY), join(root, KEY)]);
  t.same(readdirSync(root), [KEY]);
  for (const folder of [root, join(root, KEY)]) t.equal(statSync(folder).mode & 0o777, 0o700, folder);
  await withEngines({ root, key: engineKey(Uint8Array.of(9), []) }, create, noNotes);
  t.equal(built(), 2, 'another graph has its own');
});

t.test('two nodes that build at once both have their session, and one set of engines stays', async (t) => {
  const root = t.testdir();
  chmodSync(root, 0o700);
  const nodes = [tensorRt('e'), tensorRt('e')];
  await Promise.all(nodes.map(({ create }) => withEngines({ root, key: KEY }, create, noNotes)));
  t.same(readdirSync(root), [KEY]);
  t.equal(readFileSync(join(root, KEY, 'graph.engine'), 'utf8'), 'e');
});

t.test('engines that no session opens with are replaced', async (t) => {
  const root = t.testdir();
  chmodSync(root, 0o700);
  await withEngines({ root, key: KEY }, tensorRt('of TensorRT 9').create, noNotes);
  const { create, built } = tensorRt('of TensorRT 10');
  for (let i = 0; i < 2; i += 1) {
    t.equal(await withEngines({ root, key: KEY }, create, noNotes), 'of TensorRT 10');
  }
  t.equal(built(), 1);
});

t.test('a session that fails with engines and without leaves them as they are', async (t) => {
  const root = t.testdir();
  chmodSync(root, 0o700);
  await withEngines({ root, key: KEY }, tensorRt('e').create, noNotes);
  const fail = async (): Promise<string> => Promise.reject(new Error('no such device'));
  await t.rejects(withEngines({ root, key: KEY }, fail, noNotes), { message: 'no such device' });
  t.equal(readFileSync(join(root, KEY, 'graph.engine'), 'utf8'), 'e');
  await t.rejects(withEngines({ root, key: engineKey(Uint8Array.of(7), []) }, fail, noNotes));
  t.same(readdirSync(root), [KEY], 'nor does it leave anything else');
});

t.test('without a folder of its own it works, and says so', async (t) => {
  const folder = t.testdir({ file: '' });
  const open = join(folder, 'open');
  mkdirSync(open);
  chmodSync(open, 0o777);
  mkdirSync(join(folder, 'real'), { mode: 0o700 });
  symlinkSync(join(folder, 'real'), join(folder, 'link'));
  for (const [name, why] of [
    ['file', /EEXIST|ENOTDIR/],
    ['open', /open is not a folder that only you can write to/],
    ['link', /link is not a folder that only you can write to/],
  ] as const) {
    const { create, folders } = tensorRt('e');
    const notes: string[] = [];
    const root = join(folder, name);
    t.equal(await withEngines({ root, key: KEY }, create, (line) => void notes.push(line)), 'e');
    t.same(folders, [undefined]);
    t.match(notes, [/^TensorRT's engines cannot be cached/]);
    t.match(notes, [why]);
  }
});

t.test('engines that others could have written are not opened', async (t) => {
  const root = t.testdir();
  chmodSync(root, 0o700);
  mkdirSync(join(root, KEY));
  chmodSync(join(root, KEY), 0o777);
  writeFileSync(join(root, KEY, 'graph.engine'), 'planted');
  const { create, folders } = tensorRt('e');
  const notes: string[] = [];
  await withEngines({ root, key: KEY }, create, (line) => void notes.push(line));
  t.notOk(folders.includes(join(root, KEY)));
  t.match(notes, [/only you can write to/]);
});
