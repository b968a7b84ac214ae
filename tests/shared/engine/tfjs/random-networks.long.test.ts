import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { skipTfjs } from './available.ts';

const COMPARISON = fileURLToPath(new URL('compare-networks.js', import.meta.url));
const MAX_CRASHES = 2;

it("TensorFlow's gradients of 60 random networks are the reference's", { skip: skipTfjs }, (t) => {
  for (let crashes = 0; ; crashes++) {
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, [COMPARISON], { encoding: 'utf8' });
    // The native library has crashed in two of some twenty runs of the same networks, which says nothing of its gradients.
    if (signal !== null && crashes < MAX_CRASHES) t.diagnostic(`TensorFlow ended by ${signal}: ${stderr}`);
    else return assert.equal(status, 0, `${signal} ${stdout}${stderr}`);
  }
});
