// npm run setup:tfjs                                  makes the tfjs backend work: native TensorFlow for @tensorflow/tfjs-node
// node node_modules/lockstep/tools/setup-tfjs.js      the same in a project that has installed the package
//
// If everything is in place, it runs the self-test only. Otherwise it installs the package into tools/tfjs, by the hashes of the lock
// file there, takes libtensorflow from the Python wheel, whose digest is pinned, and compiles the addon here; if that fails, it runs
// the package's own installer. An interrupted call leaves nothing that a later one, or a run, would take for complete.
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, stopAll } from './tfjs/run.js';
import { firstThatWorks, waysFor } from './tfjs/ways.js';
import { placeLibraries, wheelOf } from './tfjs/wheel.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const PACKAGE = '@tensorflow/tfjs-node';
/** Has a package.json, a lock file and node_modules of its own: nothing that is installed beside it is touched. */
const project = join(root, 'tools/tfjs');
const folder = join(project, 'node_modules', PACKAGE);
const SCRATCH = '.setup-';
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };
/** A host that swallows packets must not hold the set-up up for ever. */
const INSTALLER_SECONDS = 900;

const say = (line) => process.stderr.write(`setup:tfjs: ${line}\n`);

async function setup() {
  // The package is built already, and has no sources.
  if (existsSync(join(root, 'tools/build.js'))) (await import('./build.js')).build();
  if (await passesSelfTest()) return;
  say(`installing ${PACKAGE} into ${project}`);
  await npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
  const manifest = join(folder, 'package.json');
  const original = readFileSync(manifest);
  try {
    const wheel = wheelOf();
    const steps = { wheel: () => fromWheel(wheel), vendor: fromVendor };
    await firstThatWorks(waysFor(wheel), steps, (way, { message }) => {
      say(`${way}: ${message}`);
      clean();
    });
  } finally {
    for (const name of scratchFolders()) rmSync(join(folder, name), { recursive: true, force: true });
    // The installer writes into it, and where it fails doesn't put it back.
    writeFileSync(manifest, original);
  }
}

/** Libraries whose bytes are checked, and an addon that is compiled here. */
async function fromWheel(wheel) {
  say('libtensorflow from its Python wheel; it takes python3 with pip, make and a C++ compiler');
  const scratch = mkdtempSync(join(folder, SCRATCH));
  await placeLibraries({ wheel, scratch, deps: join(folder, 'deps'), say });
  say('compiling the addon');
  // Otherwise the install script would fetch a prebuilt addon, which nothing checks.
  await rebuild({ npm_config_build_from_source: 'true' });
  if (!(await passesSelfTest())) throw new Error('The self-test failed; what it says is above.');
}

/** The package's own way. */
async function fromVendor() {
  say("the package's own installer: libtensorflow and a prebuilt addon from its vendor, whose bytes nothing checks");
  await rebuild();
  if (!(await passesSelfTest())) throw new Error("The installer's files don't work here.");
}

/** Runs the package's install script. */
async function rebuild(more = {}) {
  const nodedir = headersFolder();
  await npm(['rebuild', PACKAGE, '--ignore-scripts=false', '--foreground-scripts'], {
    ...(nodedir === undefined ? {} : { npm_config_nodedir: nodedir }),
    ...more,
  });
}

function npm(args, more = {}) {
  // By name: `npm run` may name the folder of the checkout in the environment.
  return run('npm', [...args, '--prefix', project], {
    cwd: project,
    env: { ...process.env, ...more },
    seconds: INSTALLER_SECONDS,
  });
}

/** Where the running Node has its own headers, so that node-gyp needn't download any. */
function headersFolder() {
  const folder = resolve(dirname(realpathSync(process.execPath)), '..');
  return existsSync(join(folder, 'include/node/node_api.h')) ? folder : undefined;
}

/** In a process of its own: a broken addon ends the process that loads it. */
async function passesSelfTest() {
  try {
    await run(process.execPath, [join(root, 'dist/shared/engine/tfjs/self-test.js')], { seconds: 120 });
    return true;
  } catch {
    return false;
  }
}

/** Takes away whatever an earlier way made or left. */
function clean() {
  for (const name of ['deps', 'lib', 'build', 'build-tmp-napi-v8', ...scratchFolders()]) {
    rmSync(join(folder, name), { recursive: true, force: true });
  }
}

function scratchFolders() {
  return readdirSync(folder).filter((name) => name.startsWith(SCRATCH));
}

let stoppedBy;
for (const signal of Object.keys(SIGNALS)) {
  process.on(signal, () => {
    stoppedBy = signal;
    stopAll();
  });
}
try {
  await setup();
} catch (error) {
  if (stoppedBy === undefined && typeof error.status !== 'number') say(error.message);
  process.exitCode = 1;
}
if (stoppedBy !== undefined) process.exitCode = SIGNALS[stoppedBy];
