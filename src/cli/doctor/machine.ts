import { cpus, freemem } from 'node:os';
import { memoryLimits } from '../../shared/util/memory-limits.ts';
import { allowedProcessors, processorQuota } from '../../shared/util/processors.ts';
import type { Check } from './check.ts';
import { size } from './check.ts';

const SUPPORTED_MAJORS = [20, 22, 24, 26];
/** The oldest release that package.json allows. */
const OLDEST = [20, 10] as const;
/** A run with two workers stays below 300 MB; each further one adds little. */
const COMFORTABLE_BYTES = 400 * 2 ** 20;

/** @param version as process.versions.node gives it */
export function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const name = 'Node';
  const use = `Use one of ${SUPPORTED_MAJORS.join(', ')}: https://nodejs.org/en/download`;
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    return { name, status: 'problem', found: `${version} is older than ${OLDEST.join('.')}`, advice: `${use}.` };
  }
  if (SUPPORTED_MAJORS.includes(major)) return { name, status: 'ok', found: version };
  return { name, status: 'note', found: `${version} is a release that Lockstep isn't tested on`, advice: `${use}.` };
}

export function checkProcessor(): Check {
  const count = allowedProcessors();
  const quota = processorQuota();
  const model = cpus()[0]?.model.trim() || 'unknown CPU';
  const processors = `${count} processor${count === 1 ? '' : 's'}`;
  const limit = quota === undefined || quota >= count ? '' : `, with a quota of ${Number(quota.toFixed(2))} (cgroup)`;
  return {
    name: 'machine',
    status: 'ok',
    found: `${process.platform} ${process.arch}, ${model}, ${processors}${limit}`,
  };
}

/** @param available bytes that this process may still take */
export function checkMemory(available = availableMemory(), limits = memoryLimits()): Check {
  const name = 'memory';
  const free = Math.min(available, limits.cgroup ?? available);
  const texts = [
    ['by its cgroup', limits.cgroup],
    ['of addresses (ulimit -v)', limits.addresses],
    ['of data (ulimit -d)', limits.data],
  ] as const;
  const set = texts.flatMap(([text, bytes]) => (bytes === undefined ? [] : [`${size(bytes)} ${text}`]));
  const found = `${size(free)} available, ${set.length === 0 ? 'no limits' : `limited to ${set.join(', ')}`}`;
  if (free >= COMFORTABLE_BYTES) return { name, status: 'ok', found };
  return {
    name,
    status: 'note',
    found: `${found}; training takes about 300 MiB`,
    advice: 'Close other programs, or give the container or virtual machine more memory.',
  };
}

function availableMemory(): number {
  // Counts a container's limit; Node has it from 20.13 on.
  return typeof process.availableMemory === 'function' ? process.availableMemory() : freemem();
}
