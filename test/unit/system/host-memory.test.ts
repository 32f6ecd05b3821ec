/** What a rank may still take: the machine's memory, and the cgroups above it, of either version. */
import t from 'tap';
import { memoryBudgets, memoryOverride } from '../../../src/system/host-memory.js';

const MEMINFO = 'MemTotal:  8000000 kB\nMemFree:  1 kB\nMemAvailable:  4000 kB\nSwapFree:   96 kB\n';
const HOST = { cgroup: '', free: 4096 * 1024 };
const V2 = '31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n';
const V1 =
  '32 31 0:29 / /cg/cpu rw - cgroup cgroup rw,cpu\n35 31 0:32 / /cg/memory rw - cgroup cgroup rw,memory\n';

function budgets(files: Readonly<Record<string, string>>) {
  return memoryBudgets((path) => ({ '/proc/meminfo': MEMINFO, ...files })[path]);
}

t.test('without cgroups it is what the machine has available, and its swap', async (t) => {
  t.same(budgets({}), [HOST]);
  t.same(
    memoryBudgets(() => undefined),
    [],
    'nothing is known',
  );
});

t.test('version 2: every group above counts, and what the kernel takes back is free', async (t) => {
  const group = '/sys/fs/cgroup/system.slice/job';
  const files = {
    '/proc/self/mountinfo': V2,
    '/proc/self/cgroup': '0::/system.slice/job\n',
    [`${group}/memory.max`]: '1000\n',
    [`${group}/memory.current`]: '600\n',
    [`${group}/memory.stat`]: 'anon 5\ninactive_file 150\n',
    '/sys/fs/cgroup/system.slice/memory.max': '900\n',
    '/sys/fs/cgroup/system.slice/memory.current': '900\n',
  };
  t.same(budgets(files), [
    HOST,
    { cgroup: '/system.slice/job', free: 550 },
    { cgroup: '/system.slice', free: 0 },
  ]);
  t.same(budgets({ ...files, [`${group}/memory.max`]: 'max\n' }).length, 2, 'no limit');
});

t.test('version 2 in a container, whose own group is the root of the mount', async (t) => {
  const limits = { '/sys/fs/cgroup/memory.max': '500', '/sys/fs/cgroup/memory.current': '100' };
  const found = [HOST, { cgroup: '/', free: 400 }];
  t.same(budgets({ '/proc/self/mountinfo': V2, '/proc/self/cgroup': '0::/\n', ...limits }), found);
  const outside = '0::/../../pod/other\n';
  t.same(budgets({ '/proc/self/mountinfo': V2, '/proc/self/cgroup': outside, ...limits }), found);
  const bound = V2.replace(' / /sys', ' /docker/abc /sys');
  t.same(
    budgets({ '/proc/self/mountinfo': bound, '/proc/self/cgroup': '0::/docker/abc\n', ...limits }),
    found,
  );
});

t.test('version 1: only the memory controller, and no limit is a huge number', async (t) => {
  const files = {
    '/proc/self/mountinfo': V1,
    '/proc/self/cgroup': '4:cpu:/other\n9:memory:/slurm/job_7\n0::/x\n',
    '/cg/memory/slurm/job_7/memory.limit_in_bytes': '1000\n',
    '/cg/memory/slurm/job_7/memory.usage_in_bytes': '700\n',
    '/cg/memory/slurm/job_7/memory.stat': 'inactive_file 1\ntotal_inactive_file 50\n',
    '/cg/memory/slurm/memory.limit_in_bytes': '9223372036854771712\n',
    '/cg/memory/slurm/memory.usage_in_bytes': '700\n',
  };
  t.same(budgets(files), [HOST, { cgroup: '/slurm/job_7', free: 350 }]);
});

t.test('of this machine something is known', async (t) => {
  const [host] = memoryBudgets();
  t.ok((host?.free ?? 0) > 2 ** 20);
});

t.test('the user can say how much there is', async (t) => {
  t.equal(memoryOverride({ FRAMESCATTER_MAX_MEMORY: '1000' }), 1000);
  t.equal(memoryOverride({}), undefined);
  for (const text of ['much', '-1', '0', '1.5', '1e9'])
    t.throws(() => memoryOverride({ FRAMESCATTER_MAX_MEMORY: text }), { code: 'usage' });
});
