import t from 'tap';
import { EXPECTED_RANKS, warnOfMissingRanks } from '../../../src/mpi/expected-ranks.js';
import { createLog } from '../../../src/report/log.js';

t.test('a world that is smaller than what was asked for is told', async (t) => {
  const said = (ranks: number, expected: string | undefined): string => {
    let text = '';
    const log = createLog('text', 'normal', (line) => {
      text += line;
    });
    warnOfMissingRanks(ranks, log, expected === undefined ? {} : { [EXPECTED_RANKS]: expected });
    return text;
  };
  t.match(said(1, '4'), /warning: 4 ranks were asked for, and the cluster started 1: the job takes longer/);
  for (const [ranks, expected] of [
    [4, '4'],
    [5, '4'],
    [1, undefined],
    [1, 'many'],
    [1, ''],
  ] as const)
    t.equal(said(ranks, expected), '', `${ranks} of ${expected}`);
});
