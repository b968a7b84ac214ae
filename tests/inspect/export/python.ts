import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** A Python with the packages of requirements.txt. */
const PYTHON = process.env.EXPORT_PYTHON || 'python3';

/** Why a test that needs these packages is skipped; false where it runs. */
export function skipWithout(packages: readonly string[]): string | false {
  const { status } = spawnSync(PYTHON, ['-c', `import ${packages.join(', ')}`], { stdio: 'ignore' });
  const problem = `${PYTHON} lacks ${packages.join(' or ')}: see tests/inspect/export/requirements.txt`;
  if (process.env.CI === 'true') assert.equal(status, 0, problem);
  return status === 0 ? false : problem;
}

/** Runs a program to its end and gives back what it printed. */
export function runPython(args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(PYTHON, args, { encoding: 'utf8' });
  assert.ifError(error);
  assert.equal(status, 0, stderr);
  return stdout;
}

/** The numbers of a .npy file of float32 or float64. https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
export function readNpy(file: string): Float32Array | Float64Array {
  const bytes = readFileSync(file);
  const begin = 10 + bytes.readUInt16LE(8);
  const header = bytes.toString('latin1', 10, begin);
  const data = new Uint8Array(bytes.subarray(begin)).buffer;
  assert.match(header, /'descr': '<f[48]', 'fortran_order': False/);
  return header.includes("'<f4'") ? new Float32Array(data) : new Float64Array(data);
}
