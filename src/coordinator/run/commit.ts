import { execFile } from 'node:child_process';
import { realpath } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export interface Commit {
  readonly commit: string;
  /** Whether no tracked file differs from the commit. */
  readonly clean: boolean;
}

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** The commit that this program was built from; undefined if it isn't in a checkout of its own, or git isn't installed. */
export async function commit(): Promise<Commit | undefined> {
  const git = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await promisify(execFile)('git', ['-C', ROOT, ...args], { timeout: 5000 });
    return stdout.trim();
  };
  try {
    // An installed package may be inside another project's checkout.
    const top = await git('rev-parse', '--show-toplevel');
    if ((await realpath(top)) !== (await realpath(ROOT))) return undefined;
    const [head, changes] = await Promise.all([
      git('rev-parse', 'HEAD'),
      git('status', '--porcelain', '--untracked-files=no'),
    ]);
    return { commit: head, clean: changes === '' };
  } catch {
    return undefined;
  }
}
