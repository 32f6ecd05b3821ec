// The separate process of exit.test.ts: `exit-worker.js SCENARIO`. Each scenario prints its result.
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker } from 'node:worker_threads';
import { native } from '../../src/system/native.js';
import { slow } from './graphs.js';

const world = native();
const say = (text: string) => process.stdout.write(`${text}\n`);
const side = 256;

/** A session whose every run takes a second or more, and one run on its way. */
async function startRun(): Promise<Promise<void>> {
  const session = await world.createSession(slow(side, 2000), { provider: 'cpu', device: 0, threads: 1 });
  return session.run([new Uint8Array(side * side)], [new Uint8Array(side * side)]);
}

const scenarios: Record<string, () => Promise<void> | void> = {
  finalised: async () => {
    await world.initWorld();
    await world.finalizeWorld();
  },
  unfinalised: async () => {
    await world.initWorld();
  },
  exit: async () => {
    await world.initWorld();
    process.exit(5);
  },
  throw: async () => {
    await world.initWorld();
    throw new Error('disaster');
  },
  starting: () => {
    world.initWorld().catch(() => undefined);
    process.exit(5);
  },
  abort: async () => {
    await world.initWorld();
    world.abortWorld(4);
    say('never comes here');
  },
  'abort at exit': async () => {
    await world.initWorld();
    process.on('exit', () => world.abortWorld(4));
    process.exit(5);
  },
  running: async () => {
    startRun();
    await sleep(300);
    process.exit(5);
  },
  loading: () => {
    startRun();
    process.exit(5);
  },
  patient: () => {
    // Nothing but the promise keeps the process alive.
    world
      .createSession(slow(8, 2), { provider: 'cpu', device: 0, threads: 1 })
      .then((session) => session.run([new Uint8Array(64)], [new Uint8Array(64)]))
      .then(() => say('ran'));
  },
  thread: async () => {
    const worker = new Worker(fileURLToPath(import.meta.url), { argv: ['thread'] });
    await new Promise((resolve) => worker.once('message', resolve));
    await worker.terminate();
    await world.initWorld();
    await world.finalizeWorld();
    say('outlived the thread');
  },
};

if (isMainThread) {
  await scenarios[process.argv[2] ?? '']?.();
} else {
  const { parentPort } = await import('node:worker_threads');
  startRun().then((run) => run);
  parentPort?.postMessage('started');
}
