// A coordinator at work is attacked over real connections, and neither breaks nor computes other bits.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fuzz } from './fuzz.ts';
import { Target } from './target.ts';

const FRAMES = 6000;

it(`${FRAMES} hostile frames, half of them from behind the handshake, change nothing in a run`, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-fuzz-'));
  const target = await Target.start(folder);
  t.after(() => {
    target.kill();
    rmSync(folder, { recursive: true });
  });
  const { badMembers, kinds } = await fuzz({ target, frames: FRAMES, seed: 6 });
  assert.ok(badMembers > 0, 'members that answer badly got work');
  assert.ok(kinds.size > 20, 'every kind was there');
  await target.compare();
});
