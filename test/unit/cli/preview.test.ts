/** What the arguments of a preview mean, and which are refused. */
import t from 'tap';
import { parseArguments } from '../../../src/cli/arguments.js';
import type { PreviewOptions } from '../../../src/job/preview/preview-options.js';

function preview(...argv: readonly string[]): PreviewOptions {
  const command = parseArguments(['preview', ...argv], '1');
  if (command.kind !== 'preview') throw new Error(`this is ${command.kind}`);
  return command.options;
}

t.test('a sheet by default: every style, three times', async (t) => {
  const options = preview('in.mp4', 'out/sheet.jpg');
  t.match(options, { input: 'in.mp4', output: 'out/sheet.jpg', overwrite: false, provider: 'auto' });
  t.same(options.form, { kind: 'sheet', format: 'jpeg' });
  t.same(options.asked, { models: ['all'], sizes: [], strengths: [] });
  t.equal(options.at, undefined);
});

t.test('a video by the name of the output, with one model', async (t) => {
  const { form, asked } = preview('in.mp4', 'both.MKV');
  t.same(form, { kind: 'comparison', seconds: 4, layout: 'side-by-side' });
  t.same(asked.models, ['wave']);
  const words = ['--seconds', '1.5', '--layout', 'split-screen', '--codec', 'vp9', '--at', '1:05'];
  const options = preview('in.mp4', 'https://a.blob.core.windows.net/b/both.webm?sv=1', ...words);
  t.same(options.form, { kind: 'comparison', seconds: 1.5, layout: 'split-screen' });
  t.match(options, { codec: 'vp9', at: [65] });
});

t.test('times, models, sizes and strengths are lists', async (t) => {
  const asked = (...argv: readonly string[]) => preview('in.mp4', 'sheet.png', ...argv).asked;
  t.same(preview('a', 'b.png', '--at', '0:10, 90,1:02:03.5').at, [10, 90, 3723.5]);
  t.same(asked('--model', 'wave, udnie').models, ['wave', 'udnie']);
  t.same(asked('--model', 'wave:0.6,udnie:0.4').models, ['wave:0.6,udnie:0.4'], 'weights make a blend');
  t.same(asked('--model', 'wave', '--model', 'wave:2,udnie:1').models, ['wave', 'wave:2,udnie:1']);
  t.same(asked('--model', 'a,b.onnx').models, ['a,b.onnx'], 'a file is one');
  t.same(asked('--model', './a,b').models, ['./a,b']);
  t.same(asked('--size', 'fast,fine', '--strength', '0.3,0.6,1.5'), {
    models: ['all'],
    sizes: ['fast', 'fine'],
    strengths: [0.3, 0.6, 1.5],
  });
  const shared = preview('a', 'b.png', '--canvas', '2', '--input', 'sigma=0.1', '--model-range', '0..1');
  t.match(shared, { canvas: 2, modelOverrides: { range: '0..1' } });
  t.same([...shared.modelInputs.keys()], ['sigma']);
});

t.test('what is refused, and why', async (t) => {
  const both = ['in.mp4', 'both.mp4'];
  const sheet = ['in.mp4', 'sheet.png'];
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['in.mp4'], /^preview takes an INPUT and an output \(got in.mp4\)$/],
    [['in.mp4', 'sheet.gif'], /a sheet \(.png, .*\) or a video \(.mp4, .*does not say$/],
    [[...sheet, '--at', '1:75'], /^--at takes times such as .*, not "1:75"$/],
    [[...sheet, '--at', '1,1.0'], /^--at names 0:01 twice$/],
    [[...sheet, '--at', Array.from({ length: 13 }, (_, at) => at).join()], /^--at takes at most 12 times$/],
    [[...sheet, '--strength', '0.5,2'], /^--strength takes numbers from 0 to 1.5 with commas, not "2"$/],
    [[...sheet, '--strength', ''], /^--strength takes a value, and was given an empty value/],
    [[...sheet, '--strength', '1,1.0'], /^--strength names 1 twice$/],
    [[...sheet, '--size', 'fasst'], /^--size takes fast, fine.*did you mean fast\?$/],
    [[...sheet, '--model', 'wave,'], /^--model takes names of styles, or a file/],
    [[...sheet, '--model', 'wave,wave'], /^--model names wave twice$/],
    [[...sheet, '--canvas', '4'], /^--canvas takes a number from 0 to 3$/],
    [[...sheet, '--seconds', '2'], /^--seconds goes with a video as output/],
    [[...sheet, '--codec', 'hevc'], /^--codec goes with a video as output/],
    [[...sheet, '--work-dir', 'w'], /^unknown option --work-dir/],
    [[...sheet, '--strenght', '1'], /did you mean --strength\?$/],
    [[...both, '--at', '1,2'], /^a video as output takes one time after --at/],
    [[...both, '--model', 'wave,udnie'], /^a video as output takes one --model/],
    [[...both, '--model', 'all'], /^a video as output takes one --model/],
    [[...both, '--size', 'fast,fine'], /^a video as output takes one --size/],
    [[...both, '--seconds', '61'], /^--seconds takes a number from 0.1 to 60$/],
    [[...both, '--crf', '99'], /^--crf takes a number from 0 to 51 for h264$/],
    [[...both, '--precision', 'fp16', '--provider', 'cpu'], /^--precision fp16 is for GPUs/],
  ];
  for (const [argv, message] of cases)
    t.throws(() => preview(...argv), { code: 'usage', message }, argv.join(' '));
  t.throws(() => preview('a'), {
    code: 'usage',
    message: /preview/,
    hint: 'framescatter preview --help lists the options',
  });
  t.throws(() => parseArguments(['preveiw'], '1'), { message: /did you mean preview\?/ });
});
