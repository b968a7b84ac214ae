// A coordinator at work is attacked over real connections, and neither breaks nor computes other bits.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fuzzDirectories } from './directories/fuzz-directories.ts';
import { fuzz } from './fuzz.ts';
import { RESET_POINTS } from './reset-points.ts';
import { Target } from './target.ts';

const FRAMES = 5000;
const DIRECTORIES = 16;

for (const tls of [false, true]) {
  it(`${FRAMES} hostile frames ${tls ? 'over TLS ' : ''}and resets change nothing in a run`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'lockstep-fuzz-'));
    const target = await Target.start(join(folder, 'run'), { tls });
    t.after(() => {
      target.kill();
      rmSync(folder, { recursive: true });
    });
    const { badMembers, kinds } = await fuzz({ target, seed: 6, isEnough: (frames) => frames >= FRAMES });
    assert.ok(badMembers > 0, 'members that answer badly got work');
    for (const point of RESET_POINTS) {
      assert.ok(
        ['before', 'after'].some((phase) => kinds.has(`${phase}: reset ${point}`)),
        point,
      );
    }
    await target.compare();
  });
}

it('no command breaks, hangs or writes elsewhere whatever a run directory holds', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-fuzz-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const { findings, directories } = await fuzzDirectories({
    folder: join(folder, 'directories'),
    seed: 6,
    isEnough: (directories) => directories >= DIRECTORIES,
  });
  assert.deepEqual(findings, []);
  assert.ok(directories >= DIRECTORIES);
});
