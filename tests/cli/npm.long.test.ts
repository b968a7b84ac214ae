// The scripts of package.json, which npm itself runs, as a user would.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

// Without the variables that npm and the caller's shell set for the tests themselves.
const env = { PATH: process.env.PATH, HOME: process.env.HOME, LOCKSTEP_LOG_FORMAT: 'text' };

describe('npm', () => {
  const root = fileURLToPath(new URL('../../..', import.meta.url));

  function npm(args: readonly string[]) {
    const { status, stdout, stderr } = spawnSync('npm', args, { cwd: root, encoding: 'utf8', env });
    return { status, stdout, stderr };
  }

  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['start', '--iterations', '5'], /^npm kept --iterations for itself\..* npm start -- --iterations …$/m],
    [['start', '--seed=3', '--out=x'], /^npm kept --seed and --out for itself\..* npm start -- --seed … --out …$/m],
    [['start', '--config', 'settings.json'], /^npm kept --config for itself\..* npm start -- --config …$/m],
    [
      ['run', 'lockstep', 'train', '--iterations', '5'],
      /^npm kept --iterations for itself\..* npm start -- --iterations …$/m,
    ],
    [['run', 'lockstep', 'evaluate', '--data=x'], /^npm kept --data .* npm run lockstep -- evaluate --data …$/m],
    [['run', 'lockstep', 'draw', '--run', 'x'], /^npm kept --run for itself\..* npm run lockstep -- draw --run …$/m],
    // All of it was passed on.
    [['run', 'lockstep', '--', 'train', '5'], /too many arguments for 'train'.*\nSee --help\.\n$/],
  ];
  for (const [args, message] of cases) {
    test(`npm ${args.join(' ')}`, () => {
      const { status, stderr } = npm(args);
      assert.match(stderr, message);
      assert.equal(status, 2);
    });
  }

  test('npm start -- --iterations 0 reaches the command', () => {
    const { status, stderr } = npm(['start', '--', '--iterations', '0']);
    assert.match(stderr, /^--iterations: expected a whole number/m);
    assert.equal(status, 2);
  });
});
