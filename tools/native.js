// Compiles src/native to a Node-API addon, if a C compiler answers: node tools/native.js FILE [FLAG ...]
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('../src/native', import.meta.url));
const require = createRequire(import.meta.url);

const COMPILERS = process.env.CC ? [process.env.CC] : ['cc', 'gcc', 'clang'];
/**
 * The bits depend on these: a multiplication and an addition are never rounded as one, and nothing is reordered. -ffast-math, even if it
 * were for linking alone, would also set flush-to-zero for whole threads of Node.
 */
const FLAGS = [
  '-std=gnu17',
  '-O3',
  '-fPIC',
  '-fvisibility=hidden',
  '-ffp-contract=off',
  '-fno-math-errno',
  '-fno-strict-aliasing',
  '-Wall',
  '-Wextra',
];
/** Named by src/native/cpu.h too. */
const TARGETS = {
  avx2: ['-mavx2'],
  avx512: ['-mavx2', '-mavx512f', '-mavx512dq', '-mavx512bw', '-mavx512vl', '-mprefer-vector-width=512'],
};
/** What a library leaves undefined is Node's own. */
const SHARED = process.platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared'];

/** Whether this machine could have the addon. @returns the compiler's name; undefined if none answers */
export function nativeCompiler() {
  return COMPILERS.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);
}

/** WebAssembly's registers are as wide as ARM's: native code is for x86-64 alone. */
export const hasNativeTargets = process.arch === 'x64';

/**
 * @param file the addon
 * @param flags more flags for the compiler
 * @returns what went wrong, or undefined
 */
export function buildNative(compiler, file, flags = []) {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-native-'));
  const run = (args) => {
    const { status, error } = spawnSync(compiler, [...FLAGS, ...flags, ...args], { stdio: ['ignore', 2, 'inherit'] });
    if (status !== 0) throw new Error(error?.message ?? `${compiler} failed`);
  };
  try {
    const headers = join(dirname(require.resolve('node-api-headers/package.json')), 'include');
    const objects = Object.entries(TARGETS).map(([target, own]) => {
      const object = join(folder, `${target}.o`);
      run([...own, `-DTARGET=${target}`, '-c', join(source, 'kernel.c'), '-o', object]);
      return object;
    });
    mkdirSync(dirname(file), { recursive: true });
    run(['-I', headers, ...SHARED, join(source, 'addon.c'), ...objects, '-o', file]);
    return undefined;
  } catch (error) {
    rmSync(file, { force: true });
    return error.message;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const failure = buildNative(nativeCompiler(), process.argv[2], process.argv.slice(3));
  if (failure !== undefined) {
    process.stderr.write(`${failure}\n`);
    process.exit(1);
  }
}
