import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupValues } from './cgroup.ts';

/** Limits on the memory of this process, in bytes; undefined where there is none. */
export interface MemoryLimits {
  /** The least limit of the cgroups that it is in, as containers and batch jobs have. Beyond it the system ends the process. */
  readonly cgroup: number | undefined;
  /** On its addresses (ulimit -v), used or not. */
  readonly addresses: number | undefined;
  /** On what it may write to (ulimit -d). */
  readonly data: number | undefined;
}

/** What this process has of each by now. */
export interface MemoryTaken {
  readonly addresses: number;
  readonly data: number;
}

/** Version 1 of cgroups writes a number near 2^63 if there is no limit. */
const NO_LIMIT = 2 ** 60;

/** @param root the folder that holds /proc and /sys; replaced by tests */
export function memoryLimits(root = '/'): MemoryLimits {
  const files = { controller: 'memory', v1: ['memory.limit_in_bytes'], v2: ['memory.max'] };
  const groups = cgroupValues(files, root)
    .map(([value]) => Number(value))
    .filter((bytes) => bytes < NO_LIMIT);
  const limits = textOf(join(root, 'proc/self/limits'));
  return {
    cgroup: groups.length === 0 ? undefined : Math.min(...groups),
    addresses: numberIn(limits, /^Max address space +(\d+)/m),
    data: numberIn(limits, /^Max data size +(\d+)/m),
  };
}

/** @param root as above */
export function memoryTaken(root = '/'): MemoryTaken {
  const status = textOf(join(root, 'proc/self/status'));
  return {
    addresses: 1024 * (numberIn(status, /^VmSize:\s+(\d+)/m) ?? 0),
    data: 1024 * (numberIn(status, /^VmData:\s+(\d+)/m) ?? 0),
  };
}

function numberIn(text: string, pattern: RegExp): number | undefined {
  const digits = pattern.exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
