import t from 'tap';
import { openFolder } from '../../../src/storage/folder.js';
import { openRecords, recordName } from '../../../src/watch/records.js';
import { videoIn } from '../../../src/watch/videos.js';

const VIDEO = videoIn('/in', { name: 'film.mp4', version: '1', bytes: 5 });

t.test('a record that a person has edited is taken if it is one, and refused by name if not', async (t) => {
  const path = t.testdir();
  const folder = await openFolder({ kind: 'file', path });
  const records = openRecords(folder);
  t.equal(await records.read(VIDEO), undefined);
  await folder.writeText(recordName(VIDEO), '{"state": "waiting", "failures": 2, "mine": true}');
  t.match(await records.read(VIDEO), { state: 'waiting', failures: 2, interruptions: 0, reason: null });
  for (const [text, message] of [
    ['', /film\.mp4-\S+\.json cannot be read/],
    ['[]', /not a JSON object/],
    ['{}', /its state is not one of running, waiting, done, failed/],
    ['{"state": "finished"}', /its state is not one of/],
    ['{"state": "done", "failures": "3"}', /its failures is not a number/],
    ['{"state": "done", "output": 5}', /its output is not a string/],
  ] as const) {
    await folder.writeText(recordName(VIDEO), text);
    await t.rejects(records.read(VIDEO), { message }, text);
  }
});
