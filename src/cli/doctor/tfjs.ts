import { execFile } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tfjsProblem, tfjsSetup } from '../../shared/engine/tfjs/load.ts';
import type { BackendName } from '../../worker/pool/backend-name.ts';
import type { Check } from './check.ts';

const SELF_TEST = fileURLToPath(
  new URL(`../../shared/engine/tfjs/self-test${extname(import.meta.url)}`, import.meta.url),
);
const DEADLINE_MS = 60_000;

/** Checks that the tfjs backend works. It is optional: its absence is a problem only if it was asked for. */
export async function checkTfjs(backend: BackendName, problem = tfjsProblem()): Promise<Check> {
  const name = 'tfjs';
  if (problem !== undefined) {
    const status = backend === 'tfjs' ? 'problem' : 'ok';
    return { name, status, found: `not in use here. ${problem} Nothing but --backend tfjs needs it` };
  }
  const { ok, output } = await selfTest();
  if (ok) return { name, status: 'ok', found: output };
  const advice = `Run \`${tfjsSetup()}\` again; nothing but --backend tfjs needs it.`;
  return { name, status: backend === 'tfjs' ? 'problem' : 'note', found: output, advice };
}

function selfTest(): Promise<{ ok: boolean; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [SELF_TEST], { timeout: DEADLINE_MS }, (error, stdout) => {
      const output = stdout.trim() || `native TensorFlow ends the process that loads it: ${error?.message.trim()}`;
      resolve({ ok: error === null, output });
    });
  });
}
