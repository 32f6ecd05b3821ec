import t from 'tap';
import { parseArguments } from '../../../src/cli/arguments.js';
import type { JobOptions } from '../../../src/job/context/options.js';

function partOf(...argv: string[]): JobOptions['part'] {
  const command = parseArguments(['a.mp4', 'b.mp4', ...argv], '1.2.3');
  if (command.kind !== 'job') throw new Error(`parsed as ${command.kind}`);
  return command.options.part;
}

t.test('a part of a video is asked for by times and a number of frames', async (t) => {
  t.equal(partOf(), undefined);
  t.same(partOf('--from', '1:30', '--to', '0:02:00.5'), {
    from: 90_000_000,
    to: 120_500_000,
    frames: undefined,
  });
  t.same(partOf('--from', '0.1', '--duration', '0.2'), { from: 100_000, to: 300_000, frames: undefined });
  t.same(partOf('--frames', '3'), { from: undefined, to: undefined, frames: 3 });
  t.equal(partOf('--from', '0'), undefined, 'the beginning is no cut');
});

t.test("FFmpeg's names do the same, where they are options", async (t) => {
  t.same(partOf('-ss', '1:30', '-to', '2:00'), partOf('--from', '1:30', '--to', '2:00'));
  t.same(partOf('-ss', '5', '-t', '10'), partOf('--from', '5', '--duration', '10'));
  const command = parseArguments(['--', '-ss', '-t'], '1.2.3');
  t.match(command, { kind: 'job', options: { input: '-ss', output: '-t' } }, 'after -- they are names');
  t.match(parseArguments(['plan', 'a.mp4', '-ss', '1'], '1.2.3'), {
    kind: 'plan',
    options: { job: { part: { from: 1_000_000 } } },
  });
});

t.test('a part without frames, or that is said twice, is refused', async (t) => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['--to', '5', '--duration', '5'], /--to and --duration exclude each other/],
    [['--from', '5', '--to', '5'], /--to \(5\) must be later than --from \(5\)/],
    [['--to', '0'], /--to \(0\) must be later than 0/],
    [['--duration', '0'], /--duration is 0/],
    [['--frames', '0'], /--frames/],
    [['--frames', '1.5'], /--frames/],
    [['--from', '1:75'], /--from takes a time such as 90/],
    [['--from=-1'], /--from takes a time/],
    [['-ss', '1', '--from', '2'], /--from is given twice/],
    [['-t'], /--duration takes a value, and was given none/],
  ];
  for (const [argv, message] of cases) {
    t.throws(() => partOf(...argv), { code: 'usage', message }, argv.join(' '));
  }
});
