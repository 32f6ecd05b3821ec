/**
 * Loaded into a job by `node --import`: kills it right before the CRASH_AT-th call that changes the disk. If
 * the job ends by itself, writes the number of such calls to the file CRASH_COUNT.
 */
import * as fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const { CRASH_AT = '0', CRASH_COUNT } = process.env;
const CHANGES = ['rename', 'link', 'unlink', 'rm', 'rmdir', 'mkdir', 'copyFile'] as const;
const OF_A_FILE = ['sync', 'truncate'] as const;

type Calls = Record<string, (...args: unknown[]) => unknown>;
let calls = 0;

/** Counts the call `name` of `owner`, or ends the process instead. */
function watch(owner: object, name: string): void {
  const table = owner as Calls;
  const original = table[name];
  if (original === undefined) throw new Error(`there is no ${name}`);
  table[name] = function counted(this: unknown, ...args) {
    calls += 1;
    if (calls === Number(CRASH_AT)) process.kill(process.pid, 'SIGKILL');
    return original.apply(this, args);
  };
}

for (const name of CHANGES) watch(fs.promises, name);
const file = await fs.promises.open('/dev/null');
for (const name of OF_A_FILE) watch(Object.getPrototypeOf(file), name);
await file.close();
syncBuiltinESMExports();
if (CRASH_COUNT !== undefined) process.on('exit', () => fs.writeFileSync(CRASH_COUNT, String(calls)));
