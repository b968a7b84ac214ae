// The surroundings of a hostile run directory: what nobody may change, and where commands may write.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { copyRun } from './damage.ts';

export interface Case {
  readonly folder: string;
  readonly run: string;
  /** An honest run to compare with. */
  readonly other: string;
  readonly canaries: string;
  readonly cwd: string;
  /** Where commands are told to write. */
  readonly out: string;
}

/** Makes the surroundings with a copy of an honest run, not damaged yet. */
export function makeCase(folder: string, template: string): Case {
  rmSync(folder, { recursive: true, force: true });
  const at = (...names: string[]): string => join(folder, ...names);
  const canaries = at('canaries');
  for (const name of ['runs', 'canaries/folder', 'cwd', 'out']) mkdirSync(at(name), { recursive: true });
  writeFileSync(join(canaries, 'file'), 'Nobody may change this.\n');
  writeFileSync(join(canaries, 'folder', 'file'), 'Nor this.\n');
  execFileSync('mkfifo', [join(canaries, 'pipe')]);
  copyRun(template, join(canaries, 'copy'));
  copyRun(template, at('runs', 'run'));
  copyRun(template, at('other'));
  return { folder, run: at('runs', 'run'), other: at('other'), canaries, cwd: at('cwd'), out: at('out') };
}

/** A digest of all that no command may change: everything but the run and the folder for output. */
export function protectedState({ folder, run, out }: Case): string {
  const hash = createHash('sha256');
  const visit = (path: string): void => {
    if (path === run || path === out) return;
    const found = lstatSync(path);
    hash.update(`${path} ${found.mode}\n`);
    if (found.isSymbolicLink()) hash.update(readlinkSync(path));
    else if (found.isFile()) hash.update(readFileSync(path));
    else if (found.isDirectory()) for (const name of readdirSync(path).sort()) visit(join(path, name));
  };
  visit(folder);
  return hash.digest('hex');
}
