import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { reportFailure } from '#src/cli/terminal/failure.js';
import { OPTION_GROUPS } from '#src/shared/config/option-notes.js';
import { flagOf, notesOf, OPTION_KEYS, variableOf } from '#src/shared/config/schema.js';
import { DatasetError, RunDirectoryError, UsageError } from '#src/shared/util/errors.js';

const main = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
// The environment without the variables that npm and the caller's shell set for the tests themselves.
const cleanEnv = { PATH: process.env.PATH, HOME: process.env.HOME, LOCKSTEP_LOG_FORMAT: 'text' };

function lockstep(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    env: { ...cleanEnv, ...env },
  });
  return { status, stdout, stderr };
}

describe('help', () => {
  for (const args of [
    ['--help'],
    ['train', '--help'],
    ['evaluate', '--help'],
    ['predict', '--help'],
    ['draw', '--help'],
    ['export', '--help'],
    ['import', '--help'],
    ['report', '--help'],
    ['verify', '--help'],
    ['bench', '--help'],
    ['doctor', '--help'],
    ['runs', '--help'],
    ['diff', '--help'],
    ['metrics', '--help'],
    ['help', 'train'],
  ]) {
    test(`lockstep ${args.join(' ')} shows examples`, () => {
      const { status, stdout, stderr } = lockstep(args);
      assert.equal(status, 0);
      assert.equal(stderr, '');
      assert.match(stdout, /Examples:\n {2}\S+ \S+main\.js /);
    });
  }

  const trainHelp = lockstep(['train', '--help']).stdout;

  test('train lists every option with its default', () => {
    const text = trainHelp.replaceAll(/\s+/g, ' ');
    for (const key of OPTION_KEYS) {
      const flag = `--${variableOf(key).slice('LOCKSTEP_'.length).toLowerCase().replaceAll('_', '-')}`;
      assert.ok(text.includes(` ${flag} `), flag);
    }
    assert.match(text, /--warmup <steps> .*\(default: a fifth of the iterations, at most 200; 0 with a table\)/);
  });

  test('train shows every option in its group, and every group', () => {
    const sections = trainHelp.split(/\n(?=[A-Z]\w+:\n)/);
    for (const group of OPTION_GROUPS) {
      const own = OPTION_KEYS.filter((key) => notesOf(key).group === group);
      assert.notEqual(own.length, 0, group);
      const heading = `${group[0]?.toUpperCase()}${group.slice(1)}:\n`;
      const found = sections.filter((section) => section.startsWith(heading));
      assert.equal(found.length, 1, group);
      const flags = [...(found[0] ?? '').matchAll(/^ {2}(--[\w-]+)/gm)].map(([, flag]) => flag);
      assert.deepEqual(flags, own.map(flagOf));
    }
  });

  test('worker shows its options in groups', () => {
    const { stdout } = lockstep(['worker', '--help']);
    for (const [heading, flag] of [
      ['Data', '--data'],
      ['Execution', '--threads'],
      ['Cluster', '--connect'],
      ['Monitoring', '--log-level'],
    ]) {
      assert.match(stdout, new RegExp(`\n${heading}:\n {2}${flag} `));
    }
  });

  test('--version is the one of package.json', () => {
    const { status, stdout } = lockstep(['--version']);
    assert.equal(status, 0);
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  });

  test('is no crash if its reader has gone', async () => {
    const child = spawn(process.execPath, [main, 'train', '--help'], {
      env: cleanEnv,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    const stderr: Buffer[] = [];
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    const [code] = await once(child, 'close');
    assert.equal(Buffer.concat(stderr).toString(), '');
    assert.equal(code, 0);
  });
});

describe('bad usage exits with 2 and gives the reason on stderr only', () => {
  const cases: readonly (readonly [string, readonly string[], RegExp, NodeJS.ProcessEnv?])[] = [
    ['no command', [], /Usage: lockstep/],
    ['an unknown command', ['trian'], /unknown command 'trian'.*train/s],
    ['help on an unknown command', ['help', 'trian'], /unknown command 'trian'.*train/s],
    ['--help of an unknown command', ['bogus', '--help'], /unknown command 'bogus'/],
    ['an unknown flag', ['train', '--worker', '2'], /unknown option '--worker'.*--workers/s],
    ['a flag without its value', ['train', '--workers'], /--workers <count>' argument missing/],
    ['a stray positional', ['train', '5'], /too many arguments for 'train'/],
    ['no workers', ['train', '--workers', '0'], /^--workers: a run without workers needs remote nodes: add --listen/],
    ['negative workers', ['train', '--workers', '-1'], /^--workers: .* got "-1"/],
    ['a batch that shards do not fill', ['train', '--batch', '100'], /A batch of 96 or 104 would do/],
    ['an unknown variable', ['train'], /LOCKSTEP_WORKER is not an option/, { LOCKSTEP_WORKER: '2' }],
    [
      'a flag that npm kept',
      ['train'],
      /^npm kept --evaluate-every for itself.*npm start -- --evaluate-every/,
      { npm_lifecycle_event: 'start', npm_config_evaluate_every: '5' },
    ],
    ['a missing checkpoint', ['evaluate', 'nowhere.safetensors'], /nowhere\.safetensors/],
    ['two checkpoints', ['evaluate', 'a', 'b'], /too many arguments for 'evaluate'/],
    ['a stray positional of another command', ['bench', '5'], /too many arguments for 'bench'/],
  ];
  for (const [name, args, message, env] of cases) {
    test(name, () => {
      const { status, stdout, stderr } = lockstep(args, env);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /^\s+at /m);
      assert.equal(stdout, '');
      assert.equal(status, 2);
    });
  }
});

describe('reportFailure', () => {
  function report(error: unknown, debug: boolean) {
    const lines: string[] = [];
    return { exitCode: reportFailure(error, { debug, write: (line) => lines.push(line) }), lines };
  }

  test('prints only the message of a LockstepError', () => {
    const error = new DatasetError('train-images: truncated. Fetch it again.', { file: 'train-images' });
    assert.deepEqual(report(error, false), { exitCode: 2, lines: ['train-images: truncated. Fetch it again.'] });
  });

  test('tells what may pass from what stays, and prints the same', () => {
    for (const [code, exitCode] of [
      ['ENOSPC', 75],
      ['EACCES', 2],
    ] as const) {
      const cause = Object.assign(new Error(code), { code });
      const lines = ['run.json could not be written.'];
      assert.deepEqual(report(new RunDirectoryError(lines, { cause }), false), { exitCode, lines });
    }
    const raw = Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
    assert.equal(report(raw, false).exitCode, 75);
  });

  test('prints one clear line for anything else, and the stack only on request', () => {
    const error = new TypeError('x is not a function');
    assert.deepEqual(report(error, false), {
      exitCode: 1,
      lines: ['Unexpected failure: x is not a function', 'Set LOCKSTEP_DEBUG=1 to see where it happened.'],
    });
    assert.deepEqual(report(error, true), {
      exitCode: 1,
      lines: ['Unexpected failure: x is not a function', ...(error.stack as string).split('\n')],
    });
    assert.deepEqual(report(new UsageError(['Two lines:', '  a\nforged one']), false).lines, [
      'Two lines:',
      '  a\nforged one',
    ]);
    assert.deepEqual(report('a text', true).lines, ['Unexpected failure: a text']);
  });
});
