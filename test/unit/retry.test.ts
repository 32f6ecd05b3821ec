import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { retry } from '../../src/cli/retry.js';
import { createLog } from '../../src/report/log.js';

const silent = createLog('text', 'quiet');

/** A program that counts its runs in a file and ends with the codes given, one a run. */
function program(file: string, codes: readonly number[]): readonly string[] {
  const text = `
    const fs = require('node:fs');
    fs.appendFileSync(process.argv[1], 'x');
    process.exit(JSON.parse(process.argv[2])[fs.readFileSync(process.argv[1], 'utf8').length - 1]);`;
  return [process.execPath, '-e', text, file, JSON.stringify(codes)];
}

t.test('a command is run again until it is done, or the times are up, or it is wrong', async (t) => {
  const cases: readonly (readonly [readonly number[], number, number, number])[] = [
    [[0], 3, 0, 1],
    [[75, 1, 0], 3, 0, 3],
    [[137, 137, 137], 1, 137, 2],
    [[2], 5, 2, 1],
  ];
  for (const [codes, times, code, runs] of cases) {
    const file = join(t.testdir(), 'runs');
    t.equal(await retry(times, program(file, codes), silent), code);
    t.equal((await readFile(file, 'utf8')).length, runs, `${codes}: runs`);
  }
});

t.test('a command that is not there is a usage error', async (t) => {
  await t.rejects(retry(3, ['/no/such/program'], silent), { code: 'usage', message: /no\/such/ });
});
