// The examples, each run on little data in a project that has installed the package.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { skip as skipBrowser, startBrowser, watch } from '../../support/browser.ts';
import { cifar10Files } from '../../support/cifar.ts';
import { compile, nodeOf, type Project, program, ROOT } from './project.ts';

const SMALL = ['--data', 'synthetic', '--iterations', '40'];
/** What each prints at least; those without are servers, which have tests of their own. */
const EXAMPLES: Readonly<Record<string, { readonly args: readonly string[]; readonly printed: RegExp } | 'server'>> = {
  'train-and-predict': {
    args: ['--data', 'synthetic', '--iterations', '120', 'seven.png', '--out', 'runs/first'],
    printed: /seven\.png: \d \(\d+\.\d %\)$/m,
  },
  'own-network': { args: ['cifar', '--iterations', '2', '--out', 'runs/own'], printed: /^truck: F1 \d\.\d+$/m },
  table: { args: ['--iterations', '300', '--out', 'runs/table'], printed: /in the water: reed/ },
  'fine-tune': { args: ['--iterations', '40'], printed: /^Fine-tuned in/m },
  cluster: { args: SMALL, printed: /^By two nodes: +(\w{64})\nBy this process: \1$/m },
  sweep: { args: [...SMALL, '--rates', '0.001,0.003'], printed: /^learning rate 0\.003: \d/m },
  service: 'server',
  browser: 'server',
};
/** A Python with the packages of requirements.txt. */
const PYTHON = process.env.NOTEBOOK_PYTHON || 'python3';
/** Runs TypeScript as it is. */
const NEWEST = 26;

/** A server among the examples, when it listens. */
async function listening(
  node: string,
  args: readonly string[],
  cwd: string,
): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(node, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url] = /Listening on (http:\S+?)\.?$/.exec(line) ?? [];
    if (url !== undefined) return { child, url };
  }
  return assert.fail(`${args[0]} doesn't listen`);
}

async function end(child: ChildProcess): Promise<void> {
  const ended = child.exitCode === null ? once(child, 'exit') : undefined;
  child.kill();
  await ended;
}

/** Ten pictures of each class and part of CIFAR-10 where they are at hand, else made-up ones in its binary files. */
function writeCifar(folder: string): void {
  mkdirSync(folder);
  const archive = join(process.env.CIFAR10_DIR ?? '', 'cifar10-jpeg.tar.gz');
  if (existsSync(archive)) {
    const { status } = spawnSync('tar', ['-xzf', archive, '-C', folder, '--wildcards', '*/000?.jpg']);
    assert.equal(status, 0);
    return;
  }
  for (const [name, bytes] of Object.entries(cifar10Files())) writeFileSync(join(folder, name), bytes);
}

function copyExamples({ folder }: Project): string {
  const examples = join(folder, 'examples');
  cpSync(join(ROOT, 'examples'), examples, { recursive: true });
  writeCifar(join(examples, 'cifar'));
  return examples;
}

/** @param projectOf the project, once it is there */
export function itRunsExamples(projectOf: () => Project): void {
  let cwd = '';

  it('compiles the examples, with every declaration checked', async () => {
    cwd = copyExamples(projectOf());
    const files = readdirSync(cwd).filter((file) => file.endsWith('.ts'));
    assert.deepEqual(
      files.sort(),
      Object.keys(EXAMPLES)
        .map((name) => `${name}.ts`)
        .sort(),
    );
    for (const file of files) {
      assert.ok(readFileSync(join(cwd, file), 'utf8').trimEnd().split('\n').length <= 80, `${file} is long`);
    }
    await compile(projectOf(), 'examples');
  });

  for (const [name, example] of Object.entries(EXAMPLES)) {
    if (example === 'server') continue;
    for (const [major, file] of [
      [20, `compiled/${name}.js`],
      [NEWEST, `${name}.ts`],
    ] as const) {
      it(`runs ${file} on Node ${major}`, async () => {
        const args = example.args.map((arg) => (arg.startsWith('runs/') ? `${arg}-${major}` : arg));
        const { stdout } = await program(await nodeOf(major), [file, ...args], cwd);
        assert.match(stdout, example.printed);
      });
    }
  }

  it('draws curves of the sweep', () => assert.match(readFileSync(join(cwd, 'rates.svg'), 'utf8'), /<polyline/));

  it('serves predictions, and those of a newer checkpoint', async () => {
    const run = 'runs/first-20';
    const newest = join(cwd, run, 'checkpoints/step-00000120.safetensors');
    const aside = join(cwd, 'aside');
    renameSync(newest, aside);
    const { child, url } = await listening(
      await nodeOf(20),
      ['compiled/service.js', run, '--port', '0', '--poll', '0.1'],
      cwd,
    );
    try {
      const headers = { 'content-type': 'application/octet-stream' };
      const body = readFileSync(join(cwd, 'seven.png'));
      const stepOf = async () => ((await (await fetch(`${url}/healthz`)).json()) as { step: number }).step;
      const answered = await fetch(`${url}/predict`, { method: 'POST', headers, body });
      const answer = (await answered.json()) as { className: string; probabilities: number[] };
      assert.match(answer.className, /^\d$/);
      assert.equal(answer.probabilities.length, 10);
      assert.equal((await fetch(`${url}/predict`, { method: 'POST', headers, body: 'nothing' })).status, 422);
      assert.equal(await stepOf(), 100);
      renameSync(aside, newest);
      while ((await stepOf()) !== 120) await setTimeout(100);
    } finally {
      await end(child);
    }
    assert.equal(child.exitCode, 0);
  });

  it('predicts in the browser as in Node', { skip: skipBrowser }, async () => {
    const { child, url } = await listening(await nodeOf(NEWEST), ['browser.ts', 'runs/first-26', '--port', '0'], cwd);
    const browser = await startBrowser();
    try {
      const { page, faults } = await watch(browser, url);
      await page.waitForSelector('body[data-ready]');
      await page.setInputFiles('#file', join(cwd, 'seven.png'));
      await page.waitForFunction("document.getElementById('answer').textContent.endsWith('%)')");
      const shown = await page.textContent('#answer');
      const code = `import { predict } from 'lockstep';
        const [{ className, probability }] = await predict('runs/first-26', ['seven.png']);
        console.log(className + ' (' + (100 * probability).toFixed(1) + ' %)');`;
      const { stdout } = await program(process.execPath, ['--input-type=module', '-e', code], cwd);
      assert.equal(shown, stdout.trim());
      assert.deepEqual(
        faults.filter((fault) => !/favicon|404/.test(fault)),
        [],
      );
      assert.equal((await fetch(`${url}/lockstep/..%2f..%2fpackage.json`)).status, 404);
    } finally {
      await browser.close();
      await end(child);
    }
  });

  it('reads a run in the notebook', { skip: skipNotebook() }, async () => {
    const code = `import nbformat, nbclient
notebook = nbformat.read("read-run.ipynb", as_version=4)
nbformat.validate(notebook)
nbclient.NotebookClient(notebook, timeout=300).execute()
print(sum(cell.cell_type == "code" for cell in notebook.cells))`;
    const env = { ...process.env, RUN: join(cwd, 'runs/first-26') };
    const { status, stdout, stderr } = spawnSync(PYTHON, ['-c', code], { cwd, env, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    assert.ok(Number(stdout) > 3);
  });
}

function skipNotebook(): string | false {
  if (process.env.CI === 'true') return false;
  const { status } = spawnSync(PYTHON, ['-c', 'import pandas, safetensors, nbclient, ipykernel'], { stdio: 'ignore' });
  return status === 0 ? false : `${PYTHON} lacks packages: see tests/library/package/requirements.txt`;
}
