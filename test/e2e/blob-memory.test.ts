/** A blob three times as large as what it may take streams: memory does not grow with it. BLOB_MIB=1024 takes 3 GiB of disk. */
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { startAzurite, withoutAzurite } from '../fixtures/azurite.js';

const MIB = 2 ** 20;
const SIZE_MIB = Number(process.env.BLOB_MIB ?? 384);
/** Blocks and ranges in flight, the client, and what the collector has yet to collect: 80 to 95 MiB were measured at any size. */
const MOST_MIB = 128;
const SEED = randomBytes(MIB);

async function digest(chunks: AsyncIterable<unknown>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of chunks) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** No two mebibytes alike, so that one in another's place is noticed. */
function* film(): Generator<Buffer> {
  const mebibyte = Buffer.from(SEED);
  for (let i = 0; i < SIZE_MIB; i += 1) {
    mebibyte.writeUInt32LE(i);
    yield Buffer.from(mebibyte);
  }
}

t.test(`${SIZE_MIB} MiB, there and back`, { skip: withoutAzurite }, async (t) => {
  const folder = t.testdir({ data: {} });
  const azurite = await startAzurite({ folder: join(folder, 'data') });
  t.teardown(() => azurite.stop());
  const container = await azurite.container('films');
  await container.getBlockBlobClient('in').uploadStream(Readable.from(film()), 8 * MIB, 2);
  const copy = join(folder, 'copy');
  const worker = fileURLToPath(new URL('../fixtures/blob-copy.js', import.meta.url));
  const address = `${azurite.endpoint}/films/in?${azurite.sas('films', 'rw')}`;
  const figures = JSON.parse(
    execFileSync(process.execPath, [worker, address, 'out', copy], { encoding: 'utf8' }),
  );
  t.comment(figures);
  t.ok(figures.kibibytes / 1024 < MOST_MIB, `${figures.kibibytes / 1024} MiB of memory`);
  const wanted = await digest(Readable.from(film()));
  t.equal(await digest(createReadStream(copy)), wanted);
  await fs.rm(copy);
  const { readableStreamBody } = await container.getBlobClient('out').download();
  t.equal(await digest(readableStreamBody as Readable), wanted);
  await azurite.stop(); // before its folder goes
});
