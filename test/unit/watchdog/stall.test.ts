import t from 'tap';
import { exitCode } from '../../../src/system/errors.js';
import { PIECE_WAIT, TRIAL_RUN, type UnderWay } from '../../../src/watchdog/activity.js';
import { type Pulse, stallError, waitedFor } from '../../../src/watchdog/stall.js';

function pulse(rank: number, underWay: readonly UnderWay[], silent = 1): Pulse {
  return { rank, host: `node${rank}`, moves: 1, underWay, silent, still: 61 };
}

const PIPELINE = { what: 'pipeline' };
const waiting = (rank: number): Pulse => pulse(rank, [PIPELINE, { what: 'scatter' }, { what: 'gather' }]);

t.test('what is waited for: who tells nothing, else who is at work', async (t) => {
  const infers = pulse(3, [{ what: 'infer', frames: [17, 20] }, { what: 'scatter' }]);
  t.equal(
    waitedFor([waiting(0), waiting(1), infers]),
    'rank 3 on node3 runs the model on frames 17 to 20 of its own',
  );
  t.equal(
    waitedFor([waiting(0), infers, pulse(2, [], 300)]),
    'rank 2 on node2 has not answered for 5 min',
    'who is silent comes first',
  );
  t.equal(
    waitedFor([pulse(0, [PIPELINE, { what: 'decode', frames: [34, 34] }]), waiting(1)]),
    'rank 0 on node0 waits for ffmpeg to decode frame 34 of this run',
  );
  t.equal(waitedFor([pulse(0, [{ what: 'assemble' }]), waiting(1)]), 'rank 0 on node0 muxes the output');
  const idle = pulse(1, [{ what: PIECE_WAIT }, { what: 'decode', frames: [9, 9] }]);
  t.equal(
    waitedFor([pulse(0, [{ what: 'encode', frames: [5, 5] }]), idle]),
    'rank 0 on node0 waits for ffmpeg to encode frame 5 of this run',
    'who waits for a piece holds nobody up',
  );
  const silent = Array.from({ length: 9 }, (_, rank) => pulse(rank, [], 61));
  t.match(waitedFor(silent), /^(rank \d on node\d has not answered for 61 s, ){4}and 5 more ranks$/);
  t.equal(waitedFor([pulse(0, []), pulse(1, [])]), 'all ranks wait for each other');
});

t.test(
  'a job that stands still can be resumed, but for a model that does not end at its trial',
  async (t) => {
    const stopped = stallError([waiting(0), pulse(1, [], 1800)], 1800);
    t.match(stopped, { code: 'stopped', message: /^no progress for 30 min: rank 1 on node1/ });
    t.equal(exitCode(stopped), 75);
    const trial = [PIPELINE, { what: TRIAL_RUN }];
    t.equal(exitCode(stallError([pulse(0, trial), waiting(1)], 1800)), 1);
    t.equal(
      exitCode(stallError([pulse(0, trial), pulse(1, trial, 1800)], 1800)),
      75,
      'a stopped rank is no model',
    );
  },
);
