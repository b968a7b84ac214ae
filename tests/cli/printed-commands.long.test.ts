// Each command that is printed is run as it is, by a real shell, in the folder and the environment of whoever reads it.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { commandLine } from '#src/shared/util/command-line.js';
import { shellWord } from '#src/shared/util/shown-path.js';
import { CERTIFICATE, PRIVATE_KEY } from '../support/certificate.ts';
import { DATA, type Program, startProgram } from '../support/program.ts';

const MAIN = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
const ROOT = dirname(dirname(dirname(MAIN)));
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lockstep printed-')));
after(() => rmSync(folder, { recursive: true }));

const FLAGS = ['--iterations', '1', '--batch', '16', '--workers', '1', '--metrics-port', 'off', ...DATA];
const { PATH = '', HOME } = process.env;
// The commands' folder of an installed package.
const bin = join(folder, 'node_modules', '.bin');
const env = { PATH: `${dirname(process.execPath)}:${PATH}`, HOME, LOCKSTEP_LOG_FORMAT: 'text' };

before(() => {
  mkdirSync(bin, { recursive: true });
  symlinkSync(MAIN, join(bin, 'lockstep'));
  // As npm makes it when it installs the package.
  chmodSync(MAIN, 0o755);
  writeFileSync(join(folder, 'package.json'), '{"name": "mine", "private": true}');
});

/** Runs a line by the shell. */
function run(line: string, more: NodeJS.ProcessEnv = {}) {
  return spawnSync('bash', ['-c', line], { cwd: folder, env: { ...env, ...more }, encoding: 'utf8' });
}

/** The command behind a text on a line of its own. */
function commandIn(output: string, before: string): string {
  const line = output.split('\n').find((each) => each.includes(before)) ?? assert.fail(`no "${before}" in ${output}`);
  return line.slice(line.indexOf(before) + before.length);
}

describe('the command that is printed after a run works', () => {
  const ways: readonly (readonly [start: string, printed: RegExp, path?: string])[] = [
    [`node ${shellWord(relative(folder, MAIN))}`, /^node \S+main\.js evaluate /],
    [
      `${shellWord(process.execPath)} --no-deprecation ${shellWord(MAIN)}`,
      /^\S+ --no-deprecation \S+main\.js evaluate /,
    ],
    ['lockstep', /^lockstep evaluate /, `${bin}:${env.PATH}`],
    ['npx lockstep', /^npx lockstep evaluate /],
    ['node_modules/.bin/lockstep', /^node_modules\/\.bin\/lockstep evaluate /],
    [`npm --prefix ${shellWord(ROOT)} run lockstep --`, /^npm --prefix \S+ run lockstep -- evaluate /],
  ];
  const names = ['-run', "it's", 'a  b', 'new\nline', '$HOME', '--json', '~'];
  for (const [i, [start, printed, path]] of ways.entries()) {
    const name = names[i] ?? assert.fail();
    it(`by ${start.replaceAll(folder, '.')}, for a run called ${JSON.stringify(name)}`, () => {
      const more = path === undefined ? {} : { PATH: path };
      const trained = run(`${start} train ${FLAGS.map(shellWord).join(' ')} --out=${shellWord(name)}`, more);
      assert.equal(trained.status, 0, trained.stderr);
      const next = commandIn(trained.stderr, 'Next: ');
      assert.match(next, printed);
      const { status, stdout, stderr } = run(next, more);
      assert.equal(status, 0, `${next}\n${stderr}`);
      assert.match(stdout, /accuracy/i);
    });
  }

  it('in a checkout below its folder', () => {
    const started = spawnSync('npm', ['run', 'lockstep', 'train', '--iterations', '5'], {
      cwd: join(ROOT, 'docs'),
      env,
      encoding: 'utf8',
    });
    assert.match(started.stderr, / before what is meant for Lockstep: npm start -- --iterations …$/m);
  });

  it('for a program that uses the library, as the package is installed', () => {
    const invocation = { program: 'node', options: [], script: join(folder, 'package.json') };
    assert.equal(commandLine('runs', {}, invocation), 'lockstep runs');
  });
});

describe('the command that is printed to a person who stops a run', () => {
  it('continues it, with what it was given', async () => {
    const main = shellWord(relative(folder, MAIN));
    const long = '--iterations 1000000 --batch 16 --workers 1 --checkpoint-every 50 --metrics-port off';
    const data = DATA.map(shellWord).join(' ');
    const first = startProgram(['bash', '-c', `exec node ${main} train ${long} ${data} --out=-stopped`], {
      cwd: folder,
      env,
    });
    await first.said(/^Run directory/);
    assert.ok(first.signal('SIGINT'));
    const resume = commandIn((await first.ended).stderr, 'To resume: ');
    assert.match(resume, / train --resume \.\/-stopped .*--metrics-port off\b/);
    const second = startProgram(['bash', '-c', `exec ${resume}`], { cwd: folder, env });
    await second.said(/^Training /);
    assert.ok(second.signal('SIGINT'));
    const { status, stderr } = await second.ended;
    assert.equal(status, 130, stderr);
    assert.doesNotMatch(stderr, /To use the others|^Metrics/m);
  });
});

describe('the command that is printed for nodes', () => {
  const secured = ['--tls-cert', 'cert.pem', '--tls-key', 'key.pem'];
  for (const [kind, listen, more, url] of [
    ['every address', '0.0.0.0:0', ['--plaintext'], /^'?ws:\/\/(?!0\.0\.0\.0)[\d.]+:\d+$/],
    ['every IPv6 address', '[::]:0', ['--plaintext'], /^'?ws:\/\/(?!\[::\])\S+:\d+'?$/],
    ["an IPv6 address of this machine's own", '[::1]:0', [], /^'ws:\/\/\[::1\]:\d+'$/],
    ['every address, with a certificate that signed itself', '0.0.0.0:0', secured, /^wss:\/\/localhost:\d+$/],
  ] as const) {
    it(`has a node join a run that listens on ${kind}`, async () => {
      writeFileSync(join(folder, '-token'), 'abcdefghijklmnopqrstuvwxyz0123456789');
      chmodSync(join(folder, '-token'), 0o600);
      writeFileSync(join(folder, 'cert.pem'), CERTIFICATE);
      writeFileSync(join(folder, 'key.pem'), PRIVATE_KEY, { mode: 0o600 });
      const args = ['--listen', listen, '--token-file=-token', ...more, '--workers', '0', '--out', `nodes ${kind}`];
      const coordinator: Program = startProgram(
        [
          process.execPath,
          MAIN,
          'train',
          ...FLAGS.filter((flag, i) => flag !== '--workers' && FLAGS[i - 1] !== '--workers'),
          ...args,
        ],
        { cwd: folder, env },
      );
      const join_ = commandIn(await coordinator.said(/^Nodes can connect/), 'Nodes can connect: ');
      assert.match(join_.split(' ').at(-1) ?? '', url);
      assert.match(join_, / worker --token-file \.\/-token /);
      const node = spawn('bash', ['-c', `exec ${join_} --threads 1`], {
        cwd: folder,
        env,
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      const said = text(node.stderr);
      const { status, stderr } = await coordinator.ended;
      assert.equal(status, 0, stderr);
      assert.match(await said, /Computing for/);
    });
  }
});

describe('a word of a command line', () => {
  it('is what a shell reads', () => {
    for (const word of [
      '',
      'a b',
      "it's",
      '$(x) `y` "z"',
      '~',
      '=x',
      '*',
      'a\\b',
      'tab\t',
      'line\nfeed',
      '\u200d\u{1f600}é',
      'a;b',
      '#x',
      '!x',
      "'\n\\'",
    ]) {
      const { stdout, stderr } = run(`printf %s ${shellWord(word)}`);
      assert.equal(stdout, word, stderr);
      assert.doesNotMatch(shellWord(word), /\p{C}/u);
    }
  });
});
