/**
 * Runs in a mount namespace of its own (`unshare -rm`): puts file systems of all small sizes at FOLDER, puts CLIP
 * together in each, and prints how each try ended and what it left, as JSON.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { JobError } from '../../src/system/errors.js';
import { containerFor } from '../../src/video/formats/container.js';
import { assembleCarried } from '../../src/video/streams/assemble-carried.js';
import { finish, makeSegments, UNTAGGED } from '../fixtures/finish.js';

const PAGE = 4096;
const [folder = '', clip = ''] = process.argv.slice(2);

function run(program: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}

const { path, source, streams, pts } = await finish(clip, 'mp4');
const segments = await makeSegments(pts.length);
const bytes = statSync(path).size;
const tried: object[] = [];
const pages = Math.ceil(bytes / PAGE);
for (const more of [-6, -5, -4, -3, -2, -1, 0, 1]) {
  const room = (pages + more) * PAGE;
  run('mount', ['-t', 'tmpfs', '-o', `size=${room}`, 'none', folder]);
  const job = { source, streams, container: containerFor('x.mp4'), segments, pts, tags: UNTAGGED };
  const failure = await assembleCarried({ ...job, output: join(folder, 'o.mp4') }).then(
    () => undefined,
    (error: unknown) => error,
  );
  const { message, hint } =
    failure instanceof JobError ? failure : { message: failure?.toString(), hint: '' };
  tried.push({ room, error: message, hint, left: failure === undefined ? undefined : readdirSync(folder) });
  run('umount', [folder]);
}
process.stdout.write(JSON.stringify({ bytes, tried }));
