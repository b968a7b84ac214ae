// deploy/kubernetes as kubectl's kustomize makes it, of a copy in which a test may change what a user would.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const NO_COMPONENTS = 'components: []';

/** Its folder, and those in it. */
export const KUBERNETES = join(ROOT, 'deploy/kubernetes');
export const OVERLAYS = readdirSync(join(KUBERNETES, 'overlays')).sort();
export const COMPONENTS = readdirSync(join(KUBERNETES, 'components')).sort();

/** For tests that render: false, or why they are skipped. */
export const skip =
  process.env.CI === 'true' || spawnSync('kubectl', ['kustomize', '--help']).status === 0
    ? false
    : 'kubectl is not installed';

export class Manifests {
  readonly #folder: string;

  /** @param checkout a new folder, with what kustomize reads of this one, and new tokens */
  constructor(checkout: string) {
    for (const name of ['deploy/kubernetes', 'dashboards']) {
      cpSync(join(ROOT, name), join(checkout, name), { recursive: true });
    }
    this.#folder = join(checkout, 'deploy/kubernetes');
    for (const name of ['namespace/metrics-token', ...OVERLAYS.map((overlay) => `overlays/${overlay}/node-token`)]) {
      writeFileSync(this.path(name), randomBytes(32).toString('base64url'), { mode: 0o600 });
    }
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  /** @throws AssertionError if there is nothing to replace */
  replace(file: string, text: string | RegExp, by: string): void {
    const before = readFileSync(this.path(file), 'utf8');
    const changed = before.replace(text, by);
    assert.notEqual(changed, before, `${file} has ${text}`);
    writeFileSync(this.path(file), changed);
  }

  /** @param overlay one without components */
  addComponents(overlay: string, components: readonly string[]): void {
    const list = components.map((name) => `../../components/${name}`).join(', ');
    this.replace(`${overlay}/kustomization.yaml`, NO_COMPONENTS, `components: [${list}]`);
  }

  /** The options of a run, such as BATCH. */
  setOptions(overlay: string, options: Readonly<Record<string, string | number>>): void {
    const lines = Object.entries(options).map(([name, value]) => `LOCKSTEP_${name}=${value}\n`);
    writeFileSync(this.path(`${overlay}/run.env`), lines.join(''));
  }

  /** @returns YAML documents */
  render(overlay: string): string {
    const args = ['kustomize', this.path(overlay)];
    const { status, stdout, stderr, error } = spawnSync('kubectl', args, { encoding: 'utf8' });
    assert.ifError(error);
    assert.equal(status, 0, stderr);
    return stdout;
  }
}

export interface RenderOptions {
  /** Folders of components/ that the overlay, which has none, is given. */
  readonly components?: readonly string[];
  /** Files of the overlay that are replaced or added, by name. */
  readonly files?: Readonly<Record<string, string>>;
}

/** @param overlay a folder of deploy/kubernetes, such as overlays/first @returns YAML documents */
export function render(overlay: string, { components = [], files = {} }: RenderOptions = {}): string {
  const checkout = mkdtempSync(join(tmpdir(), 'lockstep-manifests-'));
  try {
    const manifests = new Manifests(checkout);
    for (const [name, text] of Object.entries(files)) writeFileSync(manifests.path(`${overlay}/${name}`), text);
    if (components.length > 0) manifests.addComponents(overlay, components);
    return manifests.render(overlay);
  } finally {
    rmSync(checkout, { recursive: true });
  }
}
