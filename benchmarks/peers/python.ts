import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheRoot } from '#src/shared/data/data-folder.js';
import { UsageError } from '#src/shared/util/errors.js';

const REQUIREMENTS = fileURLToPath(new URL('../../../benchmarks/peers/requirements.txt', import.meta.url));
/** Written into the environment last: an interrupted installation isn't taken for a complete one. */
const MARK = 'requirements.txt';

/**
 * A Python with the packages of requirements.txt: the one that PYTORCH_PYTHON names, else an environment in the user's cache, which is
 * made if it isn't there.
 * @param modules what it must import
 * @throws UsageError if there is none
 */
export async function pythonWith(modules: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  const named = env.PYTORCH_PYTHON;
  const python = named || (await environmentIn(join(cacheRoot(env), 'peers')));
  if (await succeeds(python, ['-c', `import ${['numpy', ...modules].join(', ')}`])) return python;
  throw new UsageError(
    `${python} doesn't import ${['numpy', ...modules].join(', ')}. ` +
      (named
        ? `Run \`${python} -m pip install -r ${REQUIREMENTS}\`, or unset PYTORCH_PYTHON.`
        : 'Remove that environment and try again.'),
  );
}

async function environmentIn(folder: string): Promise<string> {
  const python = join(folder, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  const wanted = readFileSync(REQUIREMENTS, 'utf8');
  if (contentsOf(join(folder, MARK)) === wanted) return python;
  const packages = wanted.trim().split('\n').join(', ');
  console.error(`Installing ${packages} into ${folder}: about 6 GB, a few minutes.`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const made =
    (await succeeds('python3', ['-m', 'venv', folder], true)) &&
    (await succeeds(python, ['-m', 'pip', 'install', '--quiet', '--requirement', REQUIREMENTS], true));
  if (!made) throw new UsageError("The Python environment can't be made; what Python says is above.");
  writeFileSync(join(folder, MARK), wanted);
  return python;
}

function contentsOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** Whether a program ends without an error. */
export async function succeeds(program: string, args: readonly string[], prints = false): Promise<boolean> {
  // Standard output is for the results.
  const child = spawn(program, args, { stdio: ['ignore', prints ? 2 : 'ignore', prints ? 2 : 'ignore'] });
  const status = await new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
  return status === 0;
}
