/** Large blobs stream: memory does not grow with them. BLOB_MIB=1024 tries a gibibyte. */
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { startAzurite, withoutAzurite } from '../fixtures/azurite.js';

const MIB = 2 ** 20;
const SIZE_MIB = Number(process.env.BLOB_MIB ?? 160);
/** Blocks and ranges in flight, the client, and what the collector has yet to collect: 85 MiB were measured at any size. */
const MOST_MIB = 128;

async function digest(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}

t.test(`${SIZE_MIB} MiB, there and back`, { skip: withoutAzurite }, async (t) => {
  const folder = t.testdir({ data: {} });
  const azurite = await startAzurite({ folder: join(folder, 'data') });
  t.teardown(() => azurite.stop());
  const container = await azurite.container('films');
  const original = join(folder, 'original');
  const file = await fs.open(original, 'w');
  const mebibyte = randomBytes(MIB);
  for (let i = 0; i < SIZE_MIB; i += 1) {
    mebibyte.writeUInt32LE(i); // no two alike, so that one in another's place is noticed
    await file.write(mebibyte);
  }
  await file.close();
  await container.getBlockBlobClient('in').uploadFile(original);
  const copy = join(folder, 'copy');
  const worker = fileURLToPath(new URL('../fixtures/blob-copy.js', import.meta.url));
  const address = `${azurite.endpoint}/films/in?${azurite.sas('films', 'rw')}`;
  const figures = JSON.parse(
    execFileSync(process.execPath, [worker, address, 'out', copy], { encoding: 'utf8' }),
  );
  t.comment(figures);
  t.ok(figures.kibibytes / 1024 < MOST_MIB, `${figures.kibibytes / 1024} MiB of memory`);
  const wanted = await digest(original);
  t.equal(await digest(copy), wanted);
  await container.getBlobClient('out').downloadToFile(copy);
  t.equal(await digest(copy), wanted);
  await azurite.stop(); // before its folder goes
});
