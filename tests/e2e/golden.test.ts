// The bits of small runs, on any system and Node: node dist/tests/e2e/golden.test.js
// EXPECT_NODE_MAJOR and EXPECT_ARCH make sure that it ran on the intended system.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { madeDataset } from '../support/made-images.ts';
import { runOnce } from '../support/session.ts';

interface Golden {
  readonly flags: Readonly<Record<string, unknown>> & { readonly clipNorm?: number };
  readonly weightsSha256: string;
  /** Loss of the last evaluation: the float64 in hex, big-endian. */
  readonly testLoss: string;
}

// Another hash means other numerics: checkpoints don't resume and nodes don't join across it. If that is intended, raise
// NUMERICS_VERSION (src/shared/engine/wasm/exports.ts) and insert the values that the failed comparison shows.
const GOLDEN: readonly Golden[] = [
  {
    flags: { head: 'softmax', optimizer: 'adam', batch: 32, shardSize: 8, seed: 1 },
    weightsSha256: '13a31b430a6e3701bd516d3b900236ca0f940cbcdf20192cd7d0bf17ab700564',
    testLoss: '3feb09c6b6385a23',
  },
  {
    flags: {
      head: 'rbf',
      optimizer: 'adamw',
      clipNorm: 40,
      batch: 32,
      shardSize: 4,
      schedule: 'constant',
      seed: 2 ** 40,
    },
    weightsSha256: '4d69f82de93d02ed8e8793427345296b8bd452583ba898105fa3d60df23071db',
    testLoss: '403c0f7907d1316c',
  },
  {
    flags: {
      head: 'softmax',
      optimizer: 'sgd',
      weightDecay: 0.001,
      batch: 30,
      shardSize: 5,
      learningRate: 0.03,
      seed: 3,
    },
    weightsSha256: '53ddc2cf19f5bedcd8df97b1f8bd29bc00c989220c7eae281e0992ecfa83869c',
    testLoss: '3fe83f52daa0101d',
  },
];

// 40 steps see 1,280 samples: more than two epochs. 230 test images are a whole chunk and a part of one.
const dataset = madeDataset(512, 230);

it('runs on the intended system', () => {
  const { EXPECT_NODE_MAJOR, EXPECT_ARCH } = process.env;
  if (EXPECT_NODE_MAJOR) assert.match(process.version, new RegExp(`^v${EXPECT_NODE_MAJOR}\\.`));
  if (EXPECT_ARCH) assert.equal(process.arch, EXPECT_ARCH);
});

describe('the bits of a run', () => {
  for (const { flags, ...golden } of GOLDEN) {
    const { head, optimizer, clipNorm = Number.POSITIVE_INFINITY } = flags;
    it(`${head}, ${optimizer}`, async () => {
      const { records, weightsSha256 } = await runOnce({ flags: { iterations: 40, workers: 2, ...flags }, dataset });
      const clipped = records.filter(({ gradientNorm }) => gradientNorm > clipNorm).length;
      assert.ok(
        clipNorm === Number.POSITIVE_INFINITY || (clipped > 0 && clipped < records.length),
        `${clipped} clipped`,
      );
      assert.deepEqual({ weightsSha256, testLoss: bitsOf(records.at(-1)?.testLoss) }, golden);
    });
  }
});

function bitsOf(value = Number.NaN): string {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes.toString('hex');
}
