import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { shellWord } from '../../../src/cluster/shell.js';
import { sayFailure } from '../../../src/report/failure.js';
import { createLog } from '../../../src/report/log.js';
import { printable, printableJson, printableLines } from '../../../src/report/printable.js';
import { JobError } from '../../../src/system/errors.js';
import { lastError } from '../../../src/watch/job-log.js';

/** Every character that may do something on a terminal instead of being shown. */
const CONTROL = [
  ...Array.from({ length: 0x20 }, (_, code) => code),
  ...Array.from({ length: 0x21 }, (_, index) => 0x7f + index),
  ...[0x2028, 0x2029, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069],
].map((code) => String.fromCharCode(code));
const SHOWN = 'a "b" \\ ~ \u00a0ä\u00ff映\u2027\u{1f3a8}';
const holdsControl = (text: string): boolean => CONTROL.some((character) => text.includes(character));

t.test('control characters become escapes, all else stays', async (t) => {
  t.equal(printable(SHOWN), SHOWN);
  t.equal(
    printable('\x1b[2J\r\n\t\x00\x7f\x9b\u2028\u202e!'),
    '\\x1b[2J\\r\\n\\t\\x00\\x7f\\x9b\\u2028\\u202e!',
  );
  for (const character of CONTROL)
    t.match(printable(`<${character}>`), /^<\\(?:[nrt]|x[01789][0-9a-f]|u20[26][0-9a-f])>$/);
  t.equal(printableLines('one\r\ntwo\x1b\n\n'), 'one\ntwo\\x1b\n\n');
});

t.test('JSON means the same, and is on one line unless it is indented', async (t) => {
  const value = { [`${CONTROL.join('')}k`]: [SHOWN + CONTROL.join('')] };
  t.notOk(holdsControl(printableJson(value)));
  t.same(JSON.parse(printableJson(value)), value);
  t.notOk(holdsControl(printableJson(value, 2).replaceAll('\n', '')));
  t.same(JSON.parse(printableJson(value, 2)), value);
});

t.test('no message begins a line of its own in the log, or reaches a terminal', async (t) => {
  const hostile = `x${CONTROL.join('')}\nframescatter: error: forged`;
  for (const format of ['text', 'json'] as const) {
    let said = '';
    const log = createLog(format, 'verbose', (text) => {
      said += text;
    });
    log.error(hostile, { name: hostile });
    log.warn(hostile);
    sayFailure(log, new JobError('input', hostile, { hint: hostile }), hostile);
    sayFailure(log, new Error(hostile));
    sayFailure(log, hostile);
    t.notOk(holdsControl(said.replaceAll('\n', '')), format);
    t.notMatch(said, /^framescatter: error: forged/m, format);
    if (format === 'text') {
      t.match(said, /^ {4}at .*printable\.test/m, 'the lines of a stack stay lines');
    } else {
      for (const line of said.trim().split('\n')) t.ok(JSON.parse(line));
    }
    const file = join(t.testdir({ log: '' }), 'log');
    await fs.writeFile(file, said);
    const last = (await lastError(file)) ?? '';
    t.notOk(holdsControl(last), 'what watch takes from it');
    t.match(last, /^internal error.*\\nframescatter: error: forged$/);
  }
});

t.test('escapes hide no secret', async (t) => {
  let said = '';
  const log = createLog('text', 'normal', (text) => {
    said += text;
  });
  log.error('\x1bBearer\nabc.def \x01sig=abc&\x02');
  t.equal(said, 'framescatter: error: \\x1bBearer\\nREDACTED \\x01sig=REDACTED&\\x02\n');
});

t.test('a word for Bash has no control characters, and stands for all of them', async (t) => {
  const text = CONTROL.slice(1).join('a') + SHOWN; // no argument can have NUL
  t.notOk(holdsControl(shellWord(text)));
  const { stdout } = spawnSync('bash', ['-c', `printf %s ${shellWord(text)}`], { encoding: 'utf8' });
  t.equal(stdout, text);
});
