// What npm makes of this project, as somebody uses it who has only that.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { itRunsExamples } from './examples.ts';
import { compile, nodeOf, type Project, packedProject, program, ROOT } from './project.ts';

const MAX_BYTES = 3_000_000;
const MAX_PACKED_BYTES = 1_000_000;
/** What a program needs at run time, beside the code. */
const NEEDED = [
  'configs/best.json',
  'dist/cli/main.js',
  'dist/draw/inspect/draw/page/main.js',
  'dist/draw/library/browser.js',
  'dist/inspect/report/report.css',
  'dist/kernel/inspector.wasm',
  'dist/kernel/kernel.wasm',
  'dist/kernel/peak.wasm',
  'dist/native/lockstep.node',
  'dist/page/uPlot.iife.min.js',
  'dist/types/library/browser.d.ts',
  'dist/types/library/index.d.ts',
  'dist/worker/pool/thread.js',
  'examples/seven.png',
  'tools/setup-tfjs.js',
  'tools/tfjs/package-lock.json',
  'LICENSE',
];
/** What nobody needs who only uses it: sources, tests, maps, the build's own files. */
const UNWANTED =
  /\.map$|tsbuildinfo|digest$|^(?:src|tests|docs|benchmarks)\/|^tools\/(?!setup-tfjs\.js$|tfjs\/[^/]+$)|^dist\/(?:tests|benchmarks|dashboards)\//;

const RIGHT = `
import { defineModel, layers, train, type TrainOptions } from 'lockstep';
export const options: TrainOptions = { data: 'synthetic', iterations: 2, learningRate: 0.01 };
export const model = defineModel({ input: 2, layers: [layers.dense({ units: 2, name: 'a' }), layers.relu({ name: 'b' }), layers.add({ inputs: ['a', 'b'] })] });
export const run = () => train(options, { onStep: ({ step, loss }) => console.log(step + loss) });
`;
const PAGE = `
import type { ModelSpec } from 'lockstep';
import { Inspector, layoutOf, type Pixels, prepare } from 'lockstep/browser';
export const shown = (module: WebAssembly.Module, spec: ModelSpec, pixels: Pixels) => {
  const made = prepare(pixels, layoutOf(spec).input, { kind: 'ink' });
  return 'problem' in made ? made.problem : new Inspector(module, layoutOf(spec)).show(made.sample).prediction;
};
`;
const WRONG = `
import { layers, openRun, train } from 'lockstep';
// @ts-expect-error
train({ iterationz: 5 });
// @ts-expect-error
train({ learningRate: true });
// @ts-expect-error
train({}, { onStep: (text: string) => text });
// @ts-expect-error
layers.conv({ maps: 'x', kernel: 3 });
// @ts-expect-error
layers.relu({ nam: 'x' });
// @ts-expect-error
openRun('latest').then((run) => run.nothing);
`;
/** What has no types: a file that is fetched. */
const ATTW = ['--profile', 'esm-only', '--exclude-entrypoints', 'inspector.wasm'];
const SHORT = '--data synthetic --iterations 5 --workers 1 --evaluate-every 0 --metrics-port off --kernel'.split(' ');

describe('the package', () => {
  let project: Project;

  before(async () => {
    project = await packedProject();
  });
  after(() => project.remove());

  it('is small, and has what it needs and nothing else', () => {
    const { files, tarball } = project;
    const bytes = [...files.values()].reduce((sum, size) => sum + size, 0);
    assert.ok(bytes < MAX_BYTES, `${bytes} bytes`);
    assert.ok(readFileSync(tarball).length < MAX_PACKED_BYTES);
    assert.deepEqual(
      NEEDED.filter((path) => !files.has(path)),
      [],
    );
    const types = /^dist\/types\//;
    assert.deepEqual(
      [...files.keys()].filter((path) => UNWANTED.test(path) || (path.endsWith('.d.ts') && !types.test(path))),
      [],
    );
  });

  it('has types that hold in a strict project, with every declaration checked', async () => {
    mkdirSync(join(project.folder, 'types'));
    writeFileSync(join(project.folder, 'types/right.ts'), RIGHT);
    writeFileSync(join(project.folder, 'types/wrong.ts'), WRONG);
    await compile(project, 'types', { noEmit: true });
    writeFileSync(join(project.folder, 'types/page.ts'), PAGE);
    await compile(project, 'types', {
      noEmit: true,
      module: 'esnext',
      moduleResolution: 'bundler',
      lib: ['esnext', 'dom'],
    });
  });

  it('has comments where editors show them', () => {
    const types = readFileSync(join(project.folder, 'node_modules/lockstep/dist/types/library/api/train.d.ts'), 'utf8');
    assert.match(types, /Trains a run to its end/);
  });

  it('passes attw and publint', async () => {
    const bin = join(ROOT, 'node_modules/.bin');
    await program(join(bin, 'attw'), [project.tarball, ...ATTW], project.folder);
    const { stdout } = await program(join(bin, 'publint'), [project.tarball, '--strict'], project.folder);
    assert.match(stdout, /All good/);
  });

  it('trains by its command, with the same bits in WebAssembly and in native code', async () => {
    const train = async (out: string, kernel: string): Promise<string> => {
      const args = ['lockstep', 'train', ...SHORT, kernel, '--out', out, '--json'];
      const { stdout } = await program('npx', ['--no-install', ...args], project.folder);
      return (JSON.parse(stdout) as { weightsSha256: string }).weightsSha256;
    };
    assert.equal(await train('runs/auto', 'auto'), await train('runs/wasm', 'wasm'));
  });

  it('names a command that is there if native TensorFlow is asked for', () => {
    const args = ['--no-install', 'lockstep', 'train', '--backend', 'tfjs', '--metrics-port', 'off'];
    const { status, stderr } = spawnSync('npx', args, { cwd: project.folder, encoding: 'utf8' });
    assert.equal(status, 2, stderr);
    const [, file = ''] = /run `node (\S+)`/.exec(stderr) ?? [];
    assert.ok(existsSync(join(project.folder, file)), stderr);
  });

  it('is loaded by require where Node can', async () => {
    const code = "const { train, version } = require('lockstep'); console.log(typeof train, version())";
    const { stdout } = await program(await nodeOf(26), ['--input-type=commonjs', '-e', code], project.folder);
    assert.match(stdout, /^function \d/);
  });

  itRunsExamples(() => project);
});
