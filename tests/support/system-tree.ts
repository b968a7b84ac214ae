import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';

/** A folder with files as /proc and /sys have them; removed after the test. */
export function systemTree(t: TestContext, files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'lockstep-system-'));
  t.after(() => rmSync(root, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), `${text}\n`);
  }
  return root;
}

/** Version 2, mounted as systemd does. */
export const CGROUP2_MOUNT = '30 24 0:26 / /sys/fs/cgroup rw,nosuid,nodev shared:4 - cgroup2 cgroup2 rw,nsdelegate';

/** Version 1, as Docker mounts it in a container without a namespace for cgroups: the host's path, of which only a part is seen. */
export const CONTAINER = '/docker/0123';
export const CGROUP1_MOUNTS = [
  '1180 1179 0:28 / /sys/fs/cgroup rw,nosuid - tmpfs tmpfs rw,mode=755',
  `1181 1180 0:29 ${CONTAINER} /sys/fs/cgroup/systemd ro,nosuid master:11 - cgroup cgroup rw,xattr,name=systemd`,
  `1185 1180 0:33 ${CONTAINER} /sys/fs/cgroup/cpu,cpuacct ro,nosuid master:16 - cgroup cgroup rw,cpu,cpuacct`,
  `1186 1180 0:34 ${CONTAINER} /sys/fs/cgroup/memory\\040limits ro,nosuid master:17 - cgroup cgroup rw,memory`,
].join('\n');
export const CGROUP1_GROUPS = [
  `12:memory:${CONTAINER}/job`,
  `11:cpu,cpuacct:${CONTAINER}/job`,
  `1:name=systemd:${CONTAINER}/job`,
  '0::/system.slice/containerd.service',
].join('\n');
