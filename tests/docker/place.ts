import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface Mount {
  readonly source: string;
  /** An absolute path in the container. */
  readonly target: string;
}

/**
 * Where one container's process finds its files where there are no containers: a folder in which each mount is a link. What
 * names a path of the container, a service or a port is rewritten, mounted files (which are configuration) too.
 */
export class Place {
  readonly #root: string;
  readonly #targets: readonly string[];
  readonly #ports: ReadonlyMap<string, number>;

  /** @param ports for each port of a container, the one that stands for it on this machine */
  constructor(root: string, mounts: readonly Mount[], ports: ReadonlyMap<string, number>) {
    this.#root = root;
    // The longest first: another may be its beginning.
    this.#targets = mounts.map(({ target }) => target).sort((a, b) => b.length - a.length);
    this.#ports = ports;
    for (const { source, target } of mounts) this.#mount(source, this.path(target));
  }

  /** Where an absolute path of the container lies. */
  path(inside: string): string {
    return join(this.#root, inside);
  }

  rewrite(text: string): string {
    const targets = new RegExp(`(?<![\\w/])(${this.#targets.join('|')})(?![\\w-])`, 'g');
    const ports = new RegExp(`(?<=[:=])(${[...this.#ports.keys()].join('|')})(?!\\d)`, 'g');
    return text
      .replace(targets, (target) => this.path(target))
      .replace(/\b(coordinator|prometheus|alertmanager)(?=:\d)/g, '127.0.0.1')
      .replace(ports, (port) => String(this.#ports.get(port)));
  }

  #mount(source: string, path: string): void {
    mkdirSync(dirname(path), { recursive: true });
    if (!statSync(source).isFile()) symlinkSync(source, path);
    else writeFileSync(path, this.rewrite(readFileSync(source, 'utf8')));
  }
}
