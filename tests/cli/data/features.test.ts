import assert from 'node:assert/strict';
import { it } from 'node:test';
import { extractorOf, type FeatureFlags } from '#src/cli/data/features.js';
import { lockstep } from '../../support/program.ts';

const FEATURES = { features: '/nowhere/net.onnx' };
const PACK = { pack: 'f.safetensors', out: undefined };

it('refuses options of features that don’t go together', async () => {
  const refusals: readonly (readonly [FeatureFlags, Parameters<typeof extractorOf>[1], RegExp])[] = [
    [{ layer: 'pool' }, PACK, /^--layer has no effect without --features/],
    [{ normalize: 'none' }, PACK, /^--normalize has no effect without --features/],
    [FEATURES, { ...PACK, pack: undefined }, /^--features: name the file that gets them by --pack/],
    [FEATURES, { ...PACK, out: 's.png' }, /^--out draws pictures, and features are none/],
  ];
  for (const [flags, files, message] of refusals) {
    await assert.rejects(extractorOf(flags, files), { code: 'ERR_USAGE', message });
  }
  assert.equal(await extractorOf({}, PACK), undefined);
});

it('a network that isn’t there ends the command before the data are read', () => {
  const { status, stderr } = lockstep([
    'data',
    'synthetic',
    '--features',
    FEATURES.features,
    '--pack',
    'f.safetensors',
  ]);
  assert.equal(status, 2);
  assert.match(stderr, /^\/nowhere\/net\.onnx: it can't be read \(ENOENT[^\n]*\n$/);
});
