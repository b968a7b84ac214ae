import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { allowedProcessors, processorCount, processorQuota } from '#src/shared/util/processors.js';
import { CGROUP1_GROUPS, CGROUP1_MOUNTS, CGROUP2_MOUNT, systemTree } from '../../support/system-tree.ts';

const V2 = { 'proc/self/mountinfo': CGROUP2_MOUNT, 'proc/self/cgroup': '0::/user.slice/job.scope/step' };
const V1 = { 'proc/self/mountinfo': CGROUP1_MOUNTS, 'proc/self/cgroup': CGROUP1_GROUPS };
const [PERIOD, QUOTA] = ['cpu.cfs_period_us', 'cpu.cfs_quota_us'];

describe("a cgroup's quota of processors", () => {
  it('is the least of the cgroups on the path, in version 2', (t) => {
    const max = (group: string, value: string) => ({ [`sys/fs/cgroup/${group}/cpu.max`]: value });
    const step = max('user.slice/job.scope/step', 'max 100000');
    const job = max('user.slice/job.scope', '150000 100000');
    const slice = max('user.slice', '800000 100000');
    assert.equal(processorQuota(systemTree(t, { ...V2, ...step })), undefined);
    assert.equal(processorQuota(systemTree(t, { ...V2, ...step, ...slice })), 8);
    assert.equal(processorQuota(systemTree(t, { ...V2, ...step, ...job, ...slice })), 1.5);
    assert.equal(processorQuota(systemTree(t, { ...V2, ...step, ...max('other', '1000 100000') })), undefined);
  });

  it('is found in a container, in both versions', (t) => {
    const file = 'sys/fs/cgroup/cpu.max';
    for (const own of ['/', '/../..', '/not/mounted/here']) {
      const root = systemTree(t, { ...V2, 'proc/self/cgroup': `0::${own}`, [file]: '50000 100000' });
      assert.equal(processorQuota(root), 0.5, own);
    }
    const folder = 'sys/fs/cgroup/cpu,cpuacct';
    const outer = { [`${folder}/${QUOTA}`]: '300000', [`${folder}/${PERIOD}`]: '100000' };
    const inner = { [`${folder}/job/${QUOTA}`]: '-1', [`${folder}/job/${PERIOD}`]: '100000' };
    assert.equal(processorQuota(systemTree(t, { ...V1, ...inner })), undefined);
    assert.equal(processorQuota(systemTree(t, { ...V1, ...inner, ...outer })), 3);
    const least = { ...inner, [`${folder}/job/${QUOTA}`]: '25000', [`${folder}/job/${PERIOD}`]: '50000' };
    assert.equal(processorQuota(systemTree(t, { ...V1, ...least, ...outer })), 0.5);
  });

  it('is absent on a system without cgroups', (t) => assert.equal(processorQuota(systemTree(t, {})), undefined));
});

describe('the number of processors', () => {
  it('is rounded to the nearest, and at least 1', (t) => {
    for (const [quota, count] of [
      ['1000', 1],
      ['50000', 1],
      ['140000', 1],
      ['150000', 2],
      ['240000', 2],
      ['1600000', 8],
      ['max', 8],
    ] as const) {
      const root = systemTree(t, { ...V2, 'sys/fs/cgroup/user.slice/cpu.max': `${quota} 100000` });
      assert.equal(processorCount(root, 8), count, quota);
    }
  });

  it("is the same whether Node's own count has the quota in it or not", (t) => {
    const status = { 'proc/self/status': 'Name:\tnode\nCpus_allowed:\tff\nCpus_allowed_list:\t0-2,4,6-7\nThreads:\t7' };
    const root = systemTree(t, { ...V2, ...status, 'sys/fs/cgroup/user.slice/cpu.max': '350000 100000' });
    assert.deepEqual([processorCount(root, 3), processorCount(root, 6)], [4, 4]);
    assert.deepEqual([allowedProcessors(root, 3), allowedProcessors(root, 6)], [6, 6]);
  });
});
