import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

/** A controller's files in the two versions of cgroups. */
export interface CgroupFiles {
  /** Such as cpu or memory. */
  readonly controller: string;
  readonly v1: readonly string[];
  readonly v2: readonly string[];
}

/**
 * What some files of a controller hold in each cgroup that this process is in, from its own up to the topmost that it can see: a limit
 * of any of them applies. Both versions may be mounted at the same time. Empty on a system without cgroups.
 * @param root the folder that holds /proc and /sys; replaced by tests
 */
export function cgroupValues({ controller, v1, v2 }: CgroupFiles, root = '/'): readonly (readonly string[])[] {
  const mounts = mountsOf(textOf(join(root, 'proc/self/mountinfo')));
  const groups = textOf(join(root, 'proc/self/cgroup')).split('\n');
  return groups.flatMap((line) => {
    // hierarchy:controllers:path; version 2 has the hierarchy 0 and names no controllers.
    const [, id = '', controllers = '', path = ''] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    const isV2 = id === '0' && controllers === '';
    if (!isV2 && !controllers.split(',').includes(controller)) return [];
    const mount = mounts.find((each) =>
      isV2 ? each.type === 'cgroup2' : each.type === 'cgroup' && each.options.includes(controller),
    );
    if (mount === undefined) return [];
    return foldersOf(mount, path, root)
      .map((folder) => (isV2 ? v2 : v1).map((file) => textOf(join(folder, file)).trim()))
      .filter((values) => values.every((value) => value !== ''));
  });
}

interface Mount {
  /** The path of the mounted folder in its file system: not / in a container that sees a part of the hierarchy. */
  readonly root: string;
  readonly point: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** The lines of mountinfo: id, parent, device, root, mount point, options, optional fields, -, type, source, options of the file system. */
function mountsOf(mountinfo: string): Mount[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root, point] = before.split(' ').map(unescaped);
    const [type, , options] = after.split(' ');
    if (root === undefined || point === undefined || type === undefined) return [];
    return [{ root, point, type, options: options?.split(',') ?? [] }];
  });
}

/** mountinfo writes a space as \040, and likewise a tab, a line feed and a backslash. */
function unescaped(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** The folder of a cgroup, and those above it up to the mount point. */
function foldersOf(mount: Mount, path: string, root: string): string[] {
  const inside =
    mount.root === '/'
      ? path
      : path === mount.root || path.startsWith(`${mount.root}/`)
        ? path.slice(mount.root.length)
        : '/';
  // A process may be in a cgroup that its own namespace doesn't show: a path with .., or without a folder.
  const parts = posix
    .normalize(inside)
    .split('/')
    .filter((part) => part !== '' && part !== '..');
  return Array.from({ length: parts.length + 1 }, (_, above) =>
    join(root, mount.point, ...parts.slice(0, parts.length - above)),
  ).filter((folder) => existsSync(folder));
}

/** Empty if there is no such file, or it can't be read. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
