import assert from 'node:assert/strict';
import {
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { runCli } from '#src/cli/program.js';
import { pngOf } from '#src/inspect/report/png.js';
import { DATA, lockstep } from '../support/program.ts';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lockstep-outputs-')));
after(() => rmSync(folder, { recursive: true }));

const run = join(folder, 'run');
const picture = join(folder, 'seven.png');
const weights = join(folder, 'weights.safetensors');
/** A stroke on white. */
const PICTURE = pngOf({
  width: 28,
  height: 28,
  data: Uint8ClampedArray.from({ length: 4 * 28 * 28 }, (_, i) =>
    i % 4 !== 3 && (i >> 2) % 28 > 12 && (i >> 2) % 28 < 16 ? 0 : 255,
  ),
});
const TRAIN = ['train', ...DATA, '--iterations', '1', '--batch', '16', '--workers', '1', '--metrics-port', 'off'];

before(() => {
  const { status, stderr } = lockstep([...TRAIN, '--out', run]);
  assert.equal(status, 0, stderr);
  writeFileSync(picture, PICTURE);
  assert.equal(lockstep(['export', run, '--format', 'safetensors', '--out', weights]).status, 0);
});

/** Every option that names a place to write to: a command line for such a place. */
const WRITERS: Readonly<Record<string, (place: string) => string[]>> = {
  'metrics --out': (place) => ['metrics', run, '--openmetrics', '--out', place],
  'report --out': (place) => ['report', run, ...DATA, '--out', place],
  'export --out (file)': (place) => ['export', run, '--format', 'safetensors', '--out', place],
  'export --out (folder)': (place) => ['export', run, '--format', 'tfjs', '--out', place],
  'model --svg': (place) => ['model', 'mlp', '--svg', place],
  'data --out': (place) => ['data', 'synthetic', '--out', place],
  'data --pack': (place) => ['data', 'synthetic', '--pack', place],
  'import --out': (place) => ['import', weights, '--out', place],
  'token --out': (place) => ['token', '--out', place],
  'predict --layers': (place) => ['predict', picture, '--run', run, '--layers', place],
  'runs --json': (place) => ['runs', folder, `--json=${place}`],
  'train --out': (place) => [...TRAIN, '--out', place],
  'train --metrics-targets': (place) => [...TRAIN, '--metrics-targets', place],
  'train --log-file': (place) => [...TRAIN, '--out', join(folder, 'other'), '--log-file', place],
  'worker --log-file': (place) => ['worker', '--connect', 'ws://127.0.0.1:1', '--tls-ca', '/none', '--log-file', place],
};

/** Places in a run directory that are the run's own, whether there is something yet or not. */
const OWN = [
  'run.json',
  'steps.jsonl',
  'RUN.JSON',
  'Steps.jsonl',
  'steps.00000001.jsonl',
  'steps.00000001.jsonl.gz',
  'run.lock',
  'remote-write.json',
  'nodes.json',
  'run.json.0123456789abcdef.tmp',
  'checkpoints',
  'checkpoints/step-00000001.safetensors',
  'checkpoints/step-00000002.safetensors',
  'checkpoints/below/more',
  'tensorboard',
  'tensorboard/events',
  '../run/checkpoints/../run.json',
];

/** Contents of all files below a folder, by path. */
function contentsOf(root: string): Record<string, string> {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    names.map((name) => {
      const path = join(root, name);
      return [name, statSync(path).isFile() ? readFileSync(path, 'latin1') : 'folder'];
    }),
  );
}

/** Runs a command in this process. */
async function refusal(args: readonly string[]): Promise<string> {
  const { write } = process.stderr;
  let text = '';
  process.stderr.write = (chunk: string | Uint8Array) => {
    text += chunk;
    return true;
  };
  try {
    assert.equal(await runCli(args), 2, `${args.join(' ')}: ${text}`);
  } finally {
    process.stderr.write = write;
  }
  return text;
}

for (const [option, writer] of Object.entries(WRITERS)) {
  describe(option, () => {
    it("never writes to a run's own files", async () => {
      const link = join(folder, 'link');
      symlinkSync(run, link);
      const intact = contentsOf(run);
      for (const name of OWN) {
        for (const place of [join(run, name), `${link}/${name}`]) {
          assert.match(await refusal(writer(place)), /is a file of the run .*run\b/, place);
          assert.deepEqual(contentsOf(run), intact, place);
        }
      }
      rmSync(link);
    });

    it("never replaces what isn't its own: texts, links, folders with files, devices, its input", async () => {
      const place = mkdtempSync(join(folder, 'place-'));
      const names = { text: 'text', own: 'run.json', token: 'token' };
      for (const name of Object.values(names)) writeFileSync(join(place, name), 'precious\n');
      mkdirSync(join(place, 'full', 'folder'), { recursive: true });
      for (const name of ['input', 'c1', 's2']) writeFileSync(join(place, 'full', `${name}.png`), PICTURE);
      symlinkSync(join(run, 'run.json'), join(place, 'link'));
      symlinkSync(join(place, 'text'), join(place, 'text-link'));
      linkSync(join(run, 'steps.jsonl'), join(place, 'hard'));
      const intact = [contentsOf(place), contentsOf(run)];
      const files = [...Object.values(names), 'link', 'text-link', 'hard'];
      // A run directory is refused only once its data set was read, whatever the file is.
      for (const name of ['full', ...(option === 'train --out' ? files.slice(0, 1) : files)]) {
        const said = await refusal(writer(join(place, name)));
        assert.match(
          said,
          /--(out|layers|log-file|pack|svg|json|metrics-targets)\b|The run directory/,
          `${name}: ${said}`,
        );
        assert.deepEqual([contentsOf(place), contentsOf(run)], intact, name);
      }
    });
  });
}

describe('a command writes again', () => {
  it('over its own earlier output, and over an empty file', async () => {
    const place = mkdtempSync(join(folder, 'again-'));
    for (const [option, name] of [
      ['metrics --out', 'first.om'],
      ['report --out', 'report.html'],
      ['predict --layers', 'layers'],
      ['runs --json', 'runs.json'],
    ] as const) {
      const args = WRITERS[option]?.(join(place, name)) ?? assert.fail();
      if (name !== 'layers') writeFileSync(join(place, name), '');
      for (const _ of ['first', 'second']) {
        const { status, stderr } = lockstep(args);
        assert.equal(status, 0, stderr);
      }
    }
    const log = join(place, 'log.jsonl');
    for (const out of ['a', 'b']) {
      assert.equal(lockstep([...TRAIN, '--out', join(place, out), '--log-file', log]).status, 0);
    }
    assert.equal(readFileSync(log, 'utf8').match(/"Done: /g)?.length, 2);
  });

  it('but not over the picture that it reads', async () => {
    const layers = join(folder, 'shown');
    assert.equal(lockstep(['predict', picture, '--run', run, '--layers', layers]).status, 0);
    const intact = contentsOf(layers);
    cpSync(layers, join(folder, 'copied'), { recursive: true });
    assert.match(
      await refusal(['predict', join(layers, 'input.png'), '--run', run, '--layers', layers]),
      /--layers: .*input\.png is what the command reads/,
    );
    assert.deepEqual(contentsOf(layers), intact);
  });

  it('and no neighbour of a file is touched', () => {
    const place = mkdtempSync(join(folder, 'beside-'));
    writeFileSync(join(place, 'x.tmp'), 'precious\n');
    assert.equal(lockstep(['metrics', run, '--openmetrics', '--out', join(place, 'x')]).status, 0);
    assert.equal(readFileSync(join(place, 'x.tmp'), 'utf8'), 'precious\n');
    assert.deepEqual(readdirSync(place).sort(), ['x', 'x.tmp']);
  });
});
