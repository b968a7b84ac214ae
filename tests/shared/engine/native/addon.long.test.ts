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
const addon = join(dist, 'native', 'lockstep.node');
const folder = mkdtempSync(join(tmpdir(), 'lockstep-native-'));
after(() => rmSync(folder, { recursive: true }));

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
    const sanitized = join(folder, 'dist');
    cpSync(dist, sanitized, { recursive: true });
    for (const name of ['node_modules', 'package.json', 'tests'])
      symlinkSync(join(dist, '..', name), join(folder, name));
    const flags = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-g', '-O1'];
    const build = join(dist, '..', 'tools', 'native.js');
    const file = join(sanitized, 'native', 'lockstep.node');
    run(process.execPath, [build, file, ...flags]);
    const env = {
      LD_PRELOAD: run('cc', ['-print-file-name=libasan.so']).trim(),
      // Node itself frees nothing at its end, and V8 catches faults.
      ASAN_OPTIONS: 'detect_leaks=0:handle_segv=0:detect_stack_use_after_return=0',
    };
    const targets = `process.stdout.write(require(${JSON.stringify(file)}).targets().join())`;
    assert.equal(run(process.execPath, ['-e', targets], env), nativeTargets().join());
    for (const test of ['numerics.test.js', 'random-networks.test.js'])
      run(process.execPath, ['--test', join(sanitized, 'tests', 'shared', 'engine', test)], env);
  });
});
