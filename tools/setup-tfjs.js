// npm run setup:tfjs       makes the tfjs backend work: native TensorFlow for @tensorflow/tfjs-node
//
// Does nothing but its self-test where all is in place. Otherwise: the package's own installer; where that fails, libtensorflow
// from the Python wheel and an addon compiled here. An interrupted call leaves nothing that a later one, or a run, would take
// for a whole one.
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './build.js';
import { run, stopAll } from './tfjs/run.js';
import { placeLibraries, wheelOf } from './tfjs/wheel.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const PACKAGE = '@tensorflow/tfjs-node';
const SCRATCH = '.setup-';
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };
/** A host that swallows packets must not hold the set-up up for ever. */
const INSTALLER_SECONDS = 900;

const say = (line) => process.stderr.write(`setup:tfjs: ${line}\n`);

async function setup() {
  const folder = packageFolder();
  build();
  if (await passesSelfTest()) return;
  const manifest = join(folder, 'package.json');
  const original = readFileSync(manifest);
  clean(folder);
  try {
    if (!(await installed(folder))) await fromWheel(folder);
  } catch (error) {
    clean(folder);
    throw error;
  } finally {
    for (const name of scratchFolders(folder)) rmSync(join(folder, name), { recursive: true, force: true });
    // The installer writes into it, and where it fails doesn't put it back.
    writeFileSync(manifest, original);
  }
}

/** The package's own way. */
async function installed(folder) {
  say(`1. the package's own installer: libtensorflow and a prebuilt addon from its vendor`);
  try {
    await rebuild({ seconds: INSTALLER_SECONDS });
    if (await passesSelfTest()) return true;
    say("the installer's files don't work here");
  } catch (error) {
    say(`it failed (${error.message})`);
  }
  clean(folder);
  return false;
}

async function fromWheel(folder) {
  const wheel = wheelOf();
  if (wheel === undefined) {
    throw new Error(`There is no wheel to take libtensorflow from on ${process.platform} ${process.arch}.`);
  }
  say('2. libtensorflow from its Python wheel; it takes python3 with pip, make and a C++ compiler');
  const scratch = mkdtempSync(join(folder, SCRATCH));
  await placeLibraries({ wheel, scratch, deps: join(folder, 'deps'), say });
  say('compiling the addon');
  await rebuild({ seconds: INSTALLER_SECONDS });
  if (!(await passesSelfTest())) throw new Error('The self-test failed; what it says is above.');
}

/** Runs the package's install script, which .npmrc forbids otherwise. */
async function rebuild({ seconds }) {
  const nodedir = headersFolder();
  await run('npm', ['rebuild', PACKAGE, '--ignore-scripts=false', '--foreground-scripts'], {
    cwd: root,
    env: { ...process.env, ...(nodedir === undefined ? {} : { npm_config_nodedir: nodedir }) },
    seconds,
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
    await run(process.execPath, [join(root, 'dist/shared/engine/tfjs/self-test.js')], { cwd: root, seconds: 120 });
    return true;
  } catch {
    return false;
  }
}

/** Takes away whatever an earlier set-up made or left. */
function clean(folder) {
  for (const name of ['deps', 'lib', 'build', 'build-tmp-napi-v8', ...scratchFolders(folder)]) {
    rmSync(join(folder, name), { recursive: true, force: true });
  }
}

function scratchFolders(folder) {
  return readdirSync(folder).filter((name) => name.startsWith(SCRATCH));
}

function packageFolder() {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`));
  } catch (cause) {
    throw new Error(`${PACKAGE} isn't installed: run \`npm ci\` without --omit=optional first.`, { cause });
  }
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
