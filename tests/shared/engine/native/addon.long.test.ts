// What native code must never do: fuse a multiplication and an addition, change how a thread rounds, leave its memory.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { nativeTargets } from '#src/shared/engine/native/addon.js';
import { assertNativeAgrees } from '../random-networks.ts';

const dist = fileURLToPath(new URL('../../../../', import.meta.url));
const ADDON = join('native', 'lockstep.node');
const addon = join(dist, ADDON);
const folder = mkdtempSync(join(tmpdir(), 'lockstep-native-'));
after(() => rmSync(folder, { recursive: true }));

/** A copy of the build, whose addon was compiled with more flags. @returns its folder */
function builtWith(name: string, ...flags: readonly string[]): string {
  const copy = join(folder, name, 'dist');
  cpSync(dist, copy, { recursive: true });
  for (const each of ['node_modules', 'package.json', 'tests', 'configs'])
    symlinkSync(join(dist, '..', each), join(folder, name, each));
  run(process.execPath, [join(dist, '..', 'tools', 'native.js'), join(copy, ADDON), ...flags]);
  return copy;
}

/** @returns what it printed */
function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  const options = { encoding: 'utf8', env: { ...process.env, ...env }, maxBuffer: 2 ** 28 } as const;
  const { status, error, stdout, stderr } = spawnSync(command, args, options);
  assert.ifError(error);
  assert.equal(status, 0, stdout.slice(-4000) + stderr);
  return stdout;
}

it('there is a kernel for each width that this processor has', () => {
  if (process.platform !== 'linux' || process.arch !== 'x64') return;
  const flags = new Set(/^flags.*$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[0].split(' '));
  const has = (...names: readonly string[]): boolean => names.every((name) => flags.has(name));
  const expected = [
    ...(has('avx512f', 'avx512dq', 'avx512bw', 'avx512vl') ? ['avx512'] : []),
    ...(has('avx2') ? ['avx2'] : []),
  ];
  assert.deepEqual(nativeTargets(), expected);
});

describe('native code', { skip: nativeTargets().length === 0 }, () => {
  it('has no fused multiply-add', () => {
    const code = run('objdump', ['-d', '--no-show-raw-insn', addon]);
    assert.match(code, /\bvmulps\b.*%ymm/);
    assert.match(code, /\bvmulps\b.*%zmm/);
    assert.deepEqual(code.match(/.*\bvf(?:n?m(?:add|sub)|maddsub|msubadd)\d.*/g), null);
  });

  it('leaves denormals as they are when it is loaded', () => {
    const code = `require(${JSON.stringify(addon)});
      const [tiny] = new Float64Array([5e-324]);
      process.stdout.write(String(tiny + tiny));`;
    assert.equal(run(process.execPath, ['-e', code]), '1e-323');
  });

  for (const target of nativeTargets())
    it(`has the bits of WebAssembly on many random networks (${target})`, () => assertNativeAgrees(target, 3, 100));

  it('has no undefined behaviour and no bad access in its own variables, by its sanitizers', () => {
    const sanitized = builtWith('sanitized', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-g', '-O1');
    const env = {
      LD_PRELOAD: run('cc', ['-print-file-name=libasan.so']).trim(),
      // Node itself frees nothing at its end, and V8 catches faults.
      ASAN_OPTIONS: 'detect_leaks=0:handle_segv=0:detect_stack_use_after_return=0',
    };
    const targets = `process.stdout.write(require(${JSON.stringify(join(sanitized, ADDON))}).targets().join())`;
    assert.equal(run(process.execPath, ['-e', targets], env), nativeTargets().join());
    for (const test of ['numerics.test.js', 'random-networks.test.js'])
      run(process.execPath, ['--test', join(sanitized, 'tests', 'shared', 'engine', test)], env);
  });

  it("isn't used if it computes other bits, which a run and doctor tell", () => {
    const fused = builtWith('fused', '-mfma', '-ffp-contract=fast');
    const cli = join(fused, 'cli', 'main.js');
    const flags = ['--data', 'synthetic', '--iterations', '3', '--workers', '1', '--metrics-port', 'off', '--json'];
    const train = (dist: string, name: string) => {
      const args = [join(dist, 'cli', 'main.js'), 'train', ...flags, '--out', join(folder, name)];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      return { hash: JSON.parse(stdout).weightsSha256, stderr };
    };
    const [own, other] = [train(dist, 'own'), train(fused, 'other')];
    assert.equal(other.hash, own.hash);
    assert.match(other.stderr, new RegExp(`The kernel ${nativeTargets()[0]} computes other bits than WebAssembly`));
    assert.doesNotMatch(own.stderr, /other bits/);
    assert.match(run(process.execPath, [cli, 'doctor', '--data', 'synthetic']), /computes other bits/);
  });
});
