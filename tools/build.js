// Builds dist/ if its sources have changed since the last build: the kernel by asc and a C compiler, the rest by tsc.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildNative, hasNativeTargets, nativeCompiler } from './native.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const require = createRequire(import.meta.url);

// `bindings` writes kernel.d.ts beside the wasm: the functions' signatures for TypeScript.
const KERNEL_FLAGS =
  '-O3 --noAssert --runtime stub --enable simd --importMemory --use abort= --disableWarning 112 --bindings raw'.split(
    ' ',
  );
const SHARED_MEMORY = '--enable threads --sharedMemory --initialMemory 1 --maximumMemory 65536'.split(' ');
const MODULES = [
  ['src/kernel/index.ts', 'kernel.wasm', SHARED_MEMORY],
  ['benchmarks/kernel/peak.ts', 'peak.wasm', SHARED_MEMORY],
  ['src/kernel/inspect.ts', 'inspector.wasm', []],
];

const CHARTS = relative(root, join(packageFolder('uplot'), 'dist'));
/** Files that no compiler makes, by their folder in dist/. */
const COPIES = {
  page: [
    'src/page/index.html',
    'src/page/style.css',
    'src/page/runs.css',
    'src/page/icon.svg',
    join(CHARTS, 'uPlot.iife.min.js'),
    join(CHARTS, 'uPlot.min.css'),
  ],
  draw: [
    'src/inspect/draw/page/index.html',
    'src/inspect/draw/page/draw.css',
    'src/page/style.css',
    'src/page/icon.svg',
  ],
  'inspect/report': ['src/inspect/report/report.css'],
};

function packageFolder(name) {
  return dirname(require.resolve(`${name}/package.json`));
}

function filesBelow(folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
}

function digest(files) {
  const hash = createHash('sha256');
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0');
  return hash.digest('hex');
}

function node(script, args) {
  execFileSync(process.execPath, [script, ...args], { cwd: root, stdio: ['ignore', 2, 'inherit'] });
}

/** A part whose files' digest, and `key`, differ from what the last success left; undefined if they don't. */
function changed({ name, title, files, make, key = '' }) {
  const stamp = join(dist, `.${name}.digest`);
  const now = `${digest(files)}${key}`;
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === now) return undefined;
  return {
    title,
    make: () => {
      rmSync(stamp, { force: true });
      make();
      writeFileSync(stamp, now);
    },
  };
}

function buildKernel() {
  const asc = join(packageFolder('assemblyscript'), 'bin', 'asc.js');
  for (const [entry, out, memory] of MODULES) {
    node(asc, [entry, '-o', join('dist/kernel', out), ...KERNEL_FLAGS, ...memory]);
  }
}

/** What fails here is never fatal: WebAssembly computes the same, slower. */
function buildNativeKernel(compiler) {
  const file = join(dist, 'native', 'lockstep.node');
  rmSync(file, { force: true });
  const failure = compiler === undefined ? 'no C compiler answers' : buildNative(compiler, file);
  if (failure === undefined) return;
  const advice = compiler === undefined ? ' Install gcc or clang for code that is about twice as fast.' : '';
  process.stderr.write(`The native kernel isn't built (${failure}), so WebAssembly is used.${advice}\n`);
}

function buildTypeScript() {
  node(join(packageFolder('typescript'), 'bin', 'tsc'), ['--build']);
  removeStale();
}

/** Removes what was compiled from sources that are gone: the package and globs over dist/ would take it. */
function removeStale() {
  for (const file of filesBelow('dist')) {
    const [, output] =
      /^dist\/(?!(?:kernel|types)\/)(.+)\.(?:js|js\.map|d\.ts)$/.exec(file.replaceAll('\\', '/')) ?? [];
    if (output === undefined || output.endsWith('.min')) continue;
    // The two pages are compiled with their imports into folders of their own.
    const sources = [`src/${output}`, output, output.replace(/^(?:page|draw)\//, 'src/')];
    if (!sources.some((source) => existsSync(join(root, `${source}.ts`)))) rmSync(join(root, file));
  }
}

function copyFiles() {
  for (const [folder, files] of Object.entries(COPIES)) {
    mkdirSync(join(dist, folder), { recursive: true });
    for (const file of files) copyFileSync(join(root, file), join(dist, folder, basename(file)));
  }
}

function parts() {
  const common = ['package.json', 'package-lock.json', 'tools/build.js'];
  const code = ['src', 'tests', 'benchmarks', 'dashboards/src'].flatMap(filesBelow);
  const kernel = [...common, ...filesBelow('src/kernel'), ...filesBelow('benchmarks/kernel')];
  const copies = [...common, ...Object.values(COPIES).flat()];
  const typescript = [...common, ...code, 'tsconfig.base.json'];
  return [
    { name: 'kernel', title: 'the kernel in WebAssembly', files: kernel, make: buildKernel },
    ...nativeParts(common),
    { name: 'typescript', title: 'the programs, which takes longest', files: typescript, make: buildTypeScript },
    { name: 'copies', title: 'the pages', files: copies, make: copyFiles },
  ];
}

function nativeParts(common) {
  if (!hasNativeTargets) return [];
  const compiler = nativeCompiler();
  const files = [...common, 'tools/native.js', ...filesBelow('src/native')];
  const title = 'the kernel in native code';
  return [{ name: 'native', title, files, make: () => buildNativeKernel(compiler), key: ` ${compiler}` }];
}

/** Builds what has changed, with a line on standard error for each part. */
export function build() {
  mkdirSync(dist, { recursive: true });
  const stale = parts()
    .map(changed)
    .filter((part) => part !== undefined);
  for (const [index, { title, make }] of stale.entries()) {
    process.stderr.write(`Building… ${index + 1} of ${stale.length}: ${title}\n`);
    make();
  }
}

/** Builds, or ends this process if a compiler has printed what is wrong. */
export function buildOrExit() {
  try {
    build();
  } catch (error) {
    if (typeof error.status !== 'number') throw error;
    process.exit(1);
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) buildOrExit();
