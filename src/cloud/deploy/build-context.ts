/** The sources from which the image is built, as `docker build` would send them. */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { JobError, messageOf } from '../../system/errors.js';

export interface BuildContext {
  /** A gzipped tar archive. */
  readonly archive: Buffer;
  /** The same for the same files, and no other. */
  readonly digest: string;
}

/** What the Dockerfile copies; a test compares it with .dockerignore. */
export const CONTEXT: readonly string[] = [
  ...['Dockerfile', 'LICENSE', '.npmrc', 'binding.gyp', 'package-lock.json', 'package.json', 'tsconfig.json'],
  ...['k8s', 'models', 'native', 'scripts/install.mjs', 'scripts/setup-cuda.sh', 'src'],
];
export const LEFT_OUT: readonly string[] = ['models/paintings', 'models/pictures', 'models/train'];

const BLOCK = 512;
/** Fields of a ustar header: offset and length. */
const FIELD = { name: [0, 100], size: [124, 12], sum: [148, 8], prefix: [345, 155] } as const;

/**
 * Reads the sources below `root`. Names, contents and the right to run are all that it keeps, so that the
 * same sources give the same bytes.
 *
 * @throws {JobError} cloud: when they are not there, as in an installed package.
 */
export async function readContext(root: string): Promise<BuildContext> {
  const blocks: Buffer[] = [];
  for (const name of CONTEXT) {
    try {
      for await (const file of filesBelow(root, name)) {
        const content = await fs.readFile(join(root, file));
        const { mode } = await fs.stat(join(root, file));
        blocks.push(header(file, content.length, (mode & 0o100) !== 0), content);
        blocks.push(Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK));
      }
    } catch (error) {
      throw new JobError('cloud', `the image cannot be built here: ${messageOf(error)}`, {
        hint: 'run this command in a clone of the repository, or give --image REGISTRY/NAME:TAG',
        cause: error,
      });
    }
  }
  const tar = Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
  return { archive: gzipSync(tar), digest: createHash('sha256').update(tar).digest('hex') };
}

async function* filesBelow(root: string, name: string): AsyncGenerator<string> {
  const stats = await fs.lstat(join(root, name));
  if (stats.isFile()) yield name;
  if (!stats.isDirectory()) return;
  for (const child of (await fs.readdir(join(root, name))).sort()) {
    const path = `${name}/${child}`;
    if (!LEFT_OUT.includes(path)) yield* filesBelow(root, path);
  }
}

/** Returns the header of a file: POSIX ustar, owned by root, of 1 January 1970. */
function header(name: string, size: number, runs: boolean): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  const cut = name.length <= FIELD.name[1] ? -1 : name.lastIndexOf('/', FIELD.prefix[1]);
  const [prefix, last] = cut < 0 ? ['', name] : [name.slice(0, cut), name.slice(cut + 1)];
  if (Buffer.byteLength(last) > FIELD.name[1] || Buffer.byteLength(prefix) > FIELD.prefix[1])
    throw new Error(`the name ${name} is too long for an archive`);
  bytes.write(last, FIELD.name[0]);
  bytes.write(prefix, FIELD.prefix[0]);
  bytes.write(`${runs ? '0000755' : '0000644'}\0`, 100);
  bytes.write('0000000\x000000000\0', 108);
  bytes.write(`${size.toString(8).padStart(11, '0')}\0`, FIELD.size[0]);
  bytes.write('00000000000\0', 136);
  bytes.write(' '.repeat(FIELD.sum[1]), FIELD.sum[0]);
  bytes.write('0', 156); // a regular file
  bytes.write('ustar\x0000', 257);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, FIELD.sum[0]);
  return bytes;
}
