// deploy/kubernetes, as far as it can be checked without Kubernetes' programs.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Command } from 'commander';
import { addTrainingCommands } from '#src/cli/definitions/training.js';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import { flagOf } from '#src/shared/config/schema.js';
import { version } from '#src/shared/util/version.js';
import { flagsOf, type Manifest, manifestsOf, podOf } from './manifests.ts';
import { COMPONENTS, KUBERNETES, OVERLAYS } from './render.ts';

const FILES = (readdirSync(KUBERNETES, { recursive: true }) as string[])
  .filter((file) => file.endsWith('.yaml'))
  .sort();
const RUNS = OVERLAYS.filter((name) => name !== 'monitoring');

function textOf(file: string): string {
  return readFileSync(join(KUBERNETES, file), 'utf8');
}

/** The variables of a file as kustomize reads it. */
function variablesOf(file: string): Record<string, string> {
  const lines = textOf(file).split('\n');
  const given = lines.filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(given.map((line) => line.split(/=(.*)/) as [string, string]));
}

function argsOf(file: string): readonly string[] {
  const [manifest] = manifestsOf(textOf(file));
  return podOf(manifest as Manifest)?.spec.containers[0].args;
}

describe('the manifests for Kubernetes', () => {
  it('are YAML', () => {
    assert.ok(FILES.length > 20);
    for (const file of FILES) assert.doesNotThrow(() => manifestsOf(textOf(file)), file);
  });

  it('name the image of this version', () => {
    const tags = FILES.flatMap((file) => [...textOf(file).matchAll(/(?:image: lockstep:|newTag: )([\w.-]+)/g)]);
    assert.ok(tags.length > RUNS.length);
    for (const [text, tag] of tags) assert.equal(tag, version(), text);
  });

  it('list all components', () => {
    const listed = [...textOf('overlays/first/kustomization.yaml').matchAll(/^# {2}- \.\.\/\.\.\/components\/(\S+)/gm)];
    assert.deepEqual(listed.map(([, name]) => name).sort(), COMPONENTS);
  });

  it('start workers with flags that there are', () => {
    const program = new Command();
    addTrainingCommands(program, () => {});
    const worker = program.commands.find((command) => command.name() === 'worker');
    const flags = worker?.options.map(({ long }) => long);
    const [command, ...args] = argsOf('base/workers.yaml');
    assert.equal(command, 'worker');
    for (const key of Object.keys(flagsOf(['worker', ...args]))) assert.ok(flags?.includes(flagOf(key)), flagOf(key));
  });

  for (const name of RUNS) {
    it(`overlays/${name} is named in two places, and gives the coordinator options that go together`, () => {
      const [{ nameSuffix, labels }] = manifestsOf(textOf(`overlays/${name}/kustomization.yaml`)) as [Manifest];
      assert.deepEqual(
        [nameSuffix, labels[0].pairs],
        [`-${name}`, { 'app.kubernetes.io/name': 'lockstep', 'app.kubernetes.io/instance': name }],
      );
      const env = variablesOf(`overlays/${name}/run.env`);
      const { unused } = resolveTrainConfig({ flags: flagsOf(argsOf('base/coordinator.yaml')), env });
      assert.deepEqual(unused, []);
    });
  }
});
