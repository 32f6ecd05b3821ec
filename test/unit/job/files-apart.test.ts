/** What a job writes is none of what it, or another of its queue, reads; and a report replaces nothing but a report. */
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { JobOptions } from '../../../src/job/context/options.js';
import { refuseSharedFiles } from '../../../src/job/prepare/files-apart.js';
import { writeReport } from '../../../src/job/report/write-report.js';

const TABLE_MANIFEST = {
  ...{ format: 2, name: 't', file: 't.onnx', multiple: 1 },
  inputs: { x: { role: 'frames', channels: 'rgb', range: '0..1' } },
  outputs: {
    y: { role: 'table', decode: { kind: 'classes', activation: 'softmax', labels: 'labels.csv' } },
  },
};

t.test('files that the command line names twice, under whatever names', async (t) => {
  const folder = t.testdir({
    'a.mp4': 'film',
    'b.mp4': 'film',
    'm.onnx': 'model',
    'm.json': '{}',
    't.onnx': 'model',
    't.json': JSON.stringify(TABLE_MANIFEST),
    'labels.csv': 'cat',
    'videos.txt': 'b.mp4',
    'run.json': '{\n  "report": 1,\n  "x": 2\n}\n',
    'times.json': '{"otherData":{"framescatterTrace":1,"x":2}}',
    sub: {},
    work: { 'c.mp4': 'film' },
  });
  const at = (name: string): string => join(folder, name);
  await fs.link(at('a.mp4'), at('hard.mp4'));
  await fs.symlink(at('a.mp4'), at('soft.mp4'));
  await fs.symlink(folder, at('sub/again'));
  type Files = Partial<Pick<JobOptions, 'input' | 'output' | 'model' | 'report' | 'trace' | 'workDir'>>;
  const job = (files: Files): JobOptions => {
    const { input = 'a.mp4', output = 'o.mp4', model = 'wave', report, trace, workDir } = files;
    const path = (name: string | undefined) => (name === undefined ? undefined : at(name));
    const paths = {
      input: at(input),
      output: at(output),
      report: path(report),
      trace: path(trace),
      workDir: path(workDir),
    };
    return { ...paths, model: model === 'wave' ? model : at(model) } as JobOptions;
  };
  const refused: readonly (readonly [Files | readonly Files[], RegExp])[] = [
    [{ report: 'a.mp4' }, /the report is the input/],
    [{ report: 'hard.mp4' }, /the report is the input/],
    [{ report: 'soft.mp4' }, /the report is the input/],
    [{ report: 'sub/again/a.mp4' }, /the report is the input/],
    [{ report: 'o.mp4' }, /the output is the report/],
    [{ report: 'sub/again/o.mp4' }, /the output is the report/],
    [{ output: 'hard.mp4' }, /the output is the input/],
    [{ model: 'm.onnx', report: 'm.onnx' }, /the report is the model/],
    [{ model: 'm.onnx', report: 'm.json' }, /the report is the model/],
    [{ model: 'm.onnx', output: 'm.onnx' }, /the output is the model/],
    [{ model: 't.onnx', output: 'labels.csv' }, /the output is the model/],
    [{ report: 'videos.txt' }, /the report is the list/],
    [{ workDir: 'o.mp4' }, /the work folder is the output/],
    [{ workDir: 'a.mp4' }, /the work folder is the input/],
    [{ workDir: 'run.json', report: 'run.json' }, /the work folder is the report/],
    [{ input: 'work/c.mp4', workDir: 'work' }, /the input lies in the work folder/],
    [{ output: 'work/o.mp4', workDir: 'sub/again/work' }, /the output lies in the work folder/],
    [[{ output: 'b.mp4' }, { input: 'b.mp4', output: 'x.mp4' }], /the output is the input: .*b\.mp4/],
    [[{}, { input: 'b.mp4' }], /the output is the output/],
    [{ report: 'b.mp4' }, /b\.mp4 exists and is not a report/],
    [{ report: 'm.json' }, /m\.json exists and is not a report/],
    [{ report: 'sub' }, /sub exists and is not a report/],
    [{ report: 'none/r.json' }, /none\/r\.json cannot be written/],
    [{ trace: 'hard.mp4' }, /the trace is the input/],
    [{ trace: 'o.mp4' }, /the output is the trace/],
    [{ trace: 'run.json', report: 'run.json' }, /the trace is the report/],
    [{ trace: 'run.json' }, /run\.json exists and is not a trace/],
    [{ report: 'times.json' }, /times\.json exists and is not a report/],
  ];
  for (const [files, message] of refused) {
    const jobs = [files].flat().map((one) => job(one));
    await t.rejects(refuseSharedFiles(jobs, at('videos.txt')), { code: 'output', message }, `${message}`);
  }
  const fine: readonly Files[] = [
    {},
    { report: 'new.json' },
    { report: 'run.json', workDir: 'work' },
    { model: 'm.onnx', workDir: 'sub' },
    { report: 'wave.json' },
    { trace: 'times.json', report: 'run.json' },
    { trace: 'new.json' },
  ];
  for (const files of fine) await t.resolves(refuseSharedFiles([job(files)]), JSON.stringify(files));
  await t.resolves(refuseSharedFiles([job({}), job({ input: 'b.mp4', output: 'x.mp4', report: 'r.json' })]));
});

t.test('a report is written whole, and replaces no more than a report', async (t) => {
  const folder = t.testdir({ 'mine.json': '{"mine": 1}', 'empty.json': '' });
  const at = (name: string): string => join(folder, name);
  const page = async (): Promise<string> => '';
  for (const name of ['new.json', 'empty.json']) {
    await writeReport(at(name), { json: { report: 1, frames: 1 }, page });
    const before = await fs.open(at(name), 'r');
    await writeReport(at(name), { json: { report: 1, frames: 2 }, page });
    t.match(
      JSON.parse(await before.readFile('utf8')),
      { frames: 1 },
      'who has it open reads the earlier one',
    );
    await before.close();
    t.match(JSON.parse(await fs.readFile(at(name), 'utf8')), { frames: 2 });
  }
  await fs.symlink(at('new.json'), at('link.json'));
  for (const name of ['mine.json', 'link.json', '.'])
    await t.rejects(
      writeReport(at(name), { json: { report: 1 }, page }),
      { code: 'output', message: /not a report/ },
      name,
    );
  t.same((await fs.readdir(folder)).sort(), ['empty.json', 'link.json', 'mine.json', 'new.json']);
});
