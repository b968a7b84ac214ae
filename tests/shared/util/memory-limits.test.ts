import assert from 'node:assert/strict';
import { it } from 'node:test';
import { memoryLimits, memoryTaken } from '#src/shared/util/memory-limits.js';
import { CGROUP1_GROUPS, CGROUP1_MOUNTS, CGROUP2_MOUNT, systemTree } from '../../support/system-tree.ts';

const RLIMITS = [
  'Limit                     Soft Limit           Hard Limit           Units     ',
  'Max data size             unlimited            unlimited            bytes     ',
  'Max address space         4096000000           unlimited            bytes     ',
].join('\n');

it('the least limit of the cgroups and the rlimits are read', (t) => {
  const v2 = systemTree(t, {
    'proc/self/mountinfo': CGROUP2_MOUNT,
    'proc/self/cgroup': '0::/kubepods/pod/container',
    'proc/self/limits': RLIMITS,
    'sys/fs/cgroup/kubepods/pod/container/memory.max': 'max',
    'sys/fs/cgroup/kubepods/pod/memory.max': '536870912',
    'sys/fs/cgroup/kubepods/memory.max': '1073741824',
  });
  assert.deepEqual(memoryLimits(v2), { cgroup: 2 ** 29, addresses: 4_096_000_000, data: undefined });
  const folder = 'sys/fs/cgroup/memory limits';
  const v1 = systemTree(t, {
    'proc/self/mountinfo': CGROUP1_MOUNTS,
    'proc/self/cgroup': CGROUP1_GROUPS,
    [`${folder}/memory.limit_in_bytes`]: '9223372036854771712',
    [`${folder}/job/memory.limit_in_bytes`]: '268435456',
  });
  assert.deepEqual(memoryLimits(v1), { cgroup: 2 ** 28, addresses: undefined, data: undefined });
});

it('there are no limits where the system has no such files', (t) => {
  const root = systemTree(t, {});
  assert.deepEqual(memoryLimits(root), { cgroup: undefined, addresses: undefined, data: undefined });
  assert.deepEqual(memoryTaken(root), { addresses: 0, data: 0 });
});
