import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { cgroupValues } from './cgroup.ts';

/**
 * Processors for a pool of threads: those that this process may use, within its quota rounded to the nearest, at least 1. Threads wait
 * for each other at every step: half a thread too many costs less than half a processor that idles, and more than that doesn't.
 * @param root the folder that holds /proc and /sys; replaced by tests, as is `available`
 */
export function processorCount(root = '/', available = availableParallelism()): number {
  const quota = processorQuota(root) ?? Number.POSITIVE_INFINITY;
  return Math.max(1, Math.min(allowedProcessors(root, available), Math.round(quota)));
}

/**
 * Processors that this process may run on. From libuv 1.49 on (Node 22 and later), the number that Node gives has the quota of the innermost
 * cgroup in it already, rounded down: the number of workers would depend on Node's version.
 */
export function allowedProcessors(root = '/', available = availableParallelism()): number {
  return Math.max(available, affinity(root));
}

/** Processors' worth of time that the cgroups of this process give it, the least of them; undefined: no limit. */
export function processorQuota(root = '/'): number | undefined {
  const limits = cgroupValues(
    { controller: 'cpu', v1: ['cpu.cfs_quota_us', 'cpu.cfs_period_us'], v2: ['cpu.max'] },
    root,
  )
    .map((values) => values.join(' ').split(/\s+/).map(Number))
    // No limit is written as -1 in version 1, and as max in version 2.
    .filter(([quota = 0, period = 0]) => quota > 0 && period > 0)
    .map(([quota = 0, period = 1]) => quota / period);
  return limits.length === 0 ? undefined : Math.min(...limits);
}

/** The number that the system's kernel has for it; 0 if it has none. */
function affinity(root: string): number {
  try {
    const status = readFileSync(join(root, 'proc/self/status'), 'utf8');
    const list = /^Cpus_allowed_list:\s*(\d[\d,-]*)$/m.exec(status)?.[1];
    if (list === undefined) return 0;
    return list.split(',').reduce((sum, range) => {
      const [first = 0, last = first] = range.split('-').map(Number);
      return sum + last - first + 1;
    }, 0);
  } catch {
    return 0;
  }
}

/** Processor time that this process has used since its start, in seconds: user and system, of all its threads. */
export function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
