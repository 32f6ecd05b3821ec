import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';

// Many processes: on a busy machine, more than the half minute that tap grants a file run on its own.
t.setTimeout(1_800_000);

const worker = fileURLToPath(new URL('./exit-worker.js', import.meta.url));

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(scenario: string): Promise<End> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [worker, scenario], { timeout: 240_000, killSignal: 'SIGKILL' });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

const ends: [name: string, scenario: string, code: number, stdout: string][] = [
  ['after finalising', 'finalised', 0, ''],
  ['without finalising', 'unfinalised', 0, ''],
  ['by process.exit without finalising', 'exit', 5, ''],
  ['by an uncaught error without finalising', 'throw', 1, ''],
  ['by process.exit while MPI starts', 'starting', 5, ''],
  ['by abortWorld', 'abort', 4, ''],
  ['by abortWorld when the process is ending already', 'abort at exit', 4, ''],
  ['by process.exit during a run', 'running', 5, ''],
  ['by process.exit while a session is made', 'loading', 5, ''],
  ['only after its promises have settled', 'patient', 0, 'ran\n'],
  ['after a worker thread that was ended during a run', 'thread', 0, 'outlived the thread\n'],
];

for (const [name, scenario, code, stdout] of ends) {
  t.test(`the process ends ${name}`, async (t) => {
    const end = await run(scenario);
    t.match(end, { code, signal: null, stdout }, end.stderr);
  });
}
