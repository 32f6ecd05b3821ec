/** What a queue with --overwrite has made counts for the same options only. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { parseArguments } from '../../../src/cli/arguments.js';
import { openQueueRecord } from '../../../src/job/queue/queue-record.js';

t.test('an output counts for the options that decide it', async (t) => {
  const folder = t.testdir({ 'a.mp4': 'x', 'm.onnx': '', out: { 'a.mp4': 'made' } });
  const open = async (...more: readonly string[]) => {
    const argv = [join(folder, 'a.mp4'), '--out-dir', join(folder, 'out'), '--overwrite', ...more];
    const command = parseArguments(argv, '1');
    if (command.kind !== 'queue') throw new Error(command.kind);
    const { inputs, list, outDir, ...run } = command.options;
    const job = { ...run, input: join(folder, 'a.mp4'), output: join(folder, 'out', 'a.mp4') };
    return { record: await openQueueRecord(command.options), job };
  };
  const night = ['--model', join(folder, 'm.onnx'), '--input', 'style=night.jpg'];
  const first = await open(...night);
  t.notOk(await first.record.has(first.job));
  await first.record.add(first.job);
  const same = await open(...night, '--verbose');
  t.ok(await same.record.has(same.job), 'the same command goes on');
  for (const words of [
    ['--model', join(folder, 'm.onnx'), '--input', 'style=day.jpg'],
    ['--model', join(folder, 'm.onnx')],
    [...night, '--crf', '30'],
  ]) {
    const other = await open(...words);
    t.notOk(await other.record.has(other.job), words.slice(2).join(' '));
  }
  await fs.writeFile(join(folder, 'out', 'a.mp4'), 'another');
  t.notOk(await same.record.has(same.job), 'another output');
});
