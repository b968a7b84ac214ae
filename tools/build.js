// Builds dist/ where the sources changed since the last build: the kernel by asc, the rest by tsc.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const require = createRequire(import.meta.url);

const KERNEL_FLAGS = [
  ...['-O3', '--noAssert', '--runtime', 'stub', '--enable', 'simd', '--importMemory'],
  ...['--use', 'abort=', '--disableWarning', '112'],
  // Writes kernel.d.ts beside the wasm: the functions' signatures for TypeScript.
  ...['--bindings', 'raw'],
];
const SHARED_MEMORY = ['--enable', 'threads', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536'];
const MODULES = [
  ['src/kernel/index.ts', 'kernel.wasm', SHARED_MEMORY],
  ['benchmarks/kernel/peak.ts', 'peak.wasm', SHARED_MEMORY],
  ['src/kernel/inspect.ts', 'inspector.wasm', []],
];

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

/** Runs `make` where the files' digest differs from the one left by the last success. */
function whenChanged(name, files, make) {
  const stamp = join(dist, `.${name}.digest`);
  const now = digest(files);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === now) return false;
  rmSync(stamp, { force: true });
  make();
  writeFileSync(stamp, now);
  return true;
}

export function build() {
  mkdirSync(dist, { recursive: true });
  const common = ['package.json', 'package-lock.json', 'tools/build.js'];
  const kernel = [...filesBelow('src/kernel'), ...filesBelow('benchmarks/kernel')];
  const changed = [
    whenChanged('kernel', [...common, ...kernel], () => {
      const asc = join(require.resolve('assemblyscript/package.json'), '..', 'bin', 'asc.js');
      for (const [entry, out, memory] of MODULES) {
        node(asc, [entry, '-o', join('dist/kernel', out), ...KERNEL_FLAGS, ...memory]);
      }
    }),
    whenChanged(
      'typescript',
      [...common, ...['src', 'tests', 'benchmarks', 'dashboards/src'].flatMap(filesBelow), 'tsconfig.base.json'],
      () => {
        const tsc = join(require.resolve('typescript/package.json'), '..', 'bin', 'tsc');
        node(tsc, ['--build']);
      },
    ),
    whenChanged('page', [...common, ...filesBelow('src/page')], () => {
      mkdirSync(join(dist, 'page'), { recursive: true });
      const charts = join(require.resolve('uplot/package.json'), '..', 'dist');
      const files = ['index.html', 'style.css', 'icon.svg'].map((file) => join(root, 'src/page', file));
      for (const file of [...files, join(charts, 'uPlot.iife.min.js'), join(charts, 'uPlot.min.css')]) {
        copyFileSync(file, join(dist, 'page', basename(file)));
      }
    }),
    whenChanged('draw', [...common, ...filesBelow('src/inspect'), ...filesBelow('src/page')], () => {
      mkdirSync(join(dist, 'draw'), { recursive: true });
      for (const file of [
        'inspect/draw/page/index.html',
        'inspect/draw/page/draw.css',
        'page/style.css',
        'page/icon.svg',
      ]) {
        copyFileSync(join(root, 'src', file), join(dist, 'draw', basename(file)));
      }
    }),
    whenChanged('report', [...common, 'src/inspect/report/report.css'], () => {
      mkdirSync(join(dist, 'inspect/report'), { recursive: true });
      copyFileSync(join(root, 'src/inspect/report/report.css'), join(dist, 'inspect/report', 'report.css'));
    }),
  ];
  return changed.some(Boolean);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    build();
  } catch (error) {
    if (typeof error.status !== 'number') throw error;
    process.exitCode = 1; // the compiler has already said why
  }
}
