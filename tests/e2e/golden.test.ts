// The bits of small runs, on any system and Node: node dist/tests/e2e/golden.test.js
// EXPECT_NODE_MAJOR and EXPECT_ARCH make sure that it ran on the intended system.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { Augmenter } from '#src/shared/engine/augmentations/augmenter.js';
import { nativeTargets } from '#src/shared/engine/native/addon.js';
import { specOf } from '#src/shared/model/registry.js';
import type { ModelSpec } from '#src/shared/model/spec.js';
import { madeDataset } from '../support/made-images.ts';
import { specFrom } from '../support/models.ts';
import { runOnce } from '../support/session.ts';

interface Golden {
  readonly flags: Readonly<Record<string, unknown>> & { readonly clipNorm?: number };
  readonly weightsSha256: string;
  /** Loss of the last evaluation: the float64 in hex, big-endian. */
  readonly testLoss: string;
}

// Another hash means other numerics: checkpoints don't resume and nodes don't join across it. If that is intended, raise
// the operation's version (src/shared/engine/numerics/numerics.ts) and insert the values that the failed comparison shows.
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
  {
    flags: {
      head: 'softmax',
      optimizer: 'adam',
      batch: 32,
      shardSize: 8,
      labelSmoothing: 0.1,
      classWeights: 'balanced',
    },
    weightsSha256: '7e586b447eccebff0d707b50613738b23da4a20cb52a2820ddd92e6c4b341564',
    testLoss: '3fe56903c04cbcc6',
  },
  {
    flags: {
      head: 'softmax',
      optimizer: 'adam',
      batch: 32,
      shardSize: 8,
      schedule: '0:0.1,12:1,33:0.3',
    },
    weightsSha256: '59d11c8a816d325735b70bd626e9e20f059bb74afec40f77004db76b402f23ef',
    testLoss: '3fe74f1ae20616b4',
  },
];

/** With their strengths by default. */
const ALL_KINDS = 'colour:20,flip,scale:10,rotate:10,crop:4,elastic:3,cutout:8,shift';

// 40 steps see 1,280 samples: more than two epochs. 230 test images are a whole chunk and a part of one.
const dataset = madeDataset(512, 230);

it('runs on the intended system', () => {
  const { EXPECT_NODE_MAJOR, EXPECT_ARCH } = process.env;
  if (EXPECT_NODE_MAJOR) assert.match(process.version, new RegExp(`^v${EXPECT_NODE_MAJOR}\\.`));
  if (EXPECT_ARCH) assert.equal(process.arch, EXPECT_ARCH);
});

/** All that this machine runs compute the same bits. */
const KERNELS = ['wasm', ...nativeTargets()] as const;

describe('the bits of a run', () => {
  for (const [kernel, { flags, ...golden }] of KERNELS.flatMap((each) => GOLDEN.map((run) => [each, run] as const))) {
    const { head, optimizer, clipNorm = Number.POSITIVE_INFINITY } = flags;
    const loss = flags.classWeights === undefined ? '' : ', with a training loss of its own';
    const table = flags.schedule?.toString().includes(':') ? ', its learning rate by a table' : '';
    it(`${head}, ${optimizer}${loss}${table} (${kernel})`, async () => {
      const { records, weightsSha256 } = await runOnce({
        flags: { iterations: 40, workers: 2, kernel, ...flags },
        dataset,
      });
      const clipped = records.filter(({ gradientNorm }) => gradientNorm > clipNorm).length;
      assert.ok(
        clipNorm === Number.POSITIVE_INFINITY || (clipped > 0 && clipped < records.length),
        `${clipped} clipped`,
      );
      assert.deepEqual({ weightsSha256, testLoss: bitsOf(records.at(-1)?.testLoss) }, golden);
    });
  }
});

/** Other networks, for a few steps: every preset that takes seconds, also under an emulator, and what training does otherwise than evaluation. */
const NETWORKS: readonly (readonly [model: string | ModelSpec, weightsSha256: string])[] = [
  ['lenet5-relu', '0ea3bf2c1b3c621e66071c9df83910fc524eab1ff360b830c2da5b8980cf3369'],
  ['mlp', '9fb97d7a90fcf95676500e4c17c755de485ceaf9210566def6f7669f87354a01'],
  ['resnet8', '048208c05159994223d29f4cf60c98fb9ea1c60a57dd7e5955ba1a25088d1796'],
  [
    specFrom(
      [
        { kind: 'conv', maps: 4, kernel: 5, stride: 2, padding: 'same', bias: false },
        { kind: 'batch-norm' },
        { kind: 'leaky-relu' },
        { kind: 'dropout', rate: 0.25 },
        { kind: 'average-pool', size: 3, stride: 2, padding: 'same' },
        { kind: 'layer-norm' },
        { kind: 'sigmoid' },
        { kind: 'dense', units: 10 },
      ],
      { head: { kind: 'softmax', labelSmoothing: 0.1 } },
    ),
    'b3a6afcd3c4ccc2efae23bd379b70fe39bbddc6d9fa367be0f7e0beb41059c60',
  ],
];

describe('the bits of a network', () => {
  for (const [kernel, [model, golden]] of KERNELS.flatMap((each) => NETWORKS.map((own) => [each, own] as const))) {
    const name = typeof model === 'string' ? model : model.layers.map(({ kind }) => kind).join(', ');
    it(`${name} (${kernel})`, async () => {
      const spec = typeof model === 'string' ? specOf({ model, head: 'softmax', rbfJ: 0 }, dataset) : model;
      const flags = {
        kernel,
        iterations: 3,
        batch: 26,
        shardSize: 13,
        workers: 2,
        weightDecay: 0.01,
        optimizer: 'adamw',
      };
      const { weightsSha256 } = await runOnce({ flags, dataset, model: spec });
      assert.equal(weightsSha256, golden);
    });
  }
});

/** What each kind makes of the first pictures of the data set, as they are and as colours: a SHA-256 over both. */
const AUGMENTATIONS: readonly (readonly [augment: string, sha256: string])[] = [
  ['colour:20', '297ac8e9a8b6e8f774545aa3dfd1807ac4de2040127c5ade506c1634a09d1b8b'],
  ['flip', '6636d2bd82a65b26d86ec5cb50519d0c2c97841b0859faf6265b02258de4be8c'],
  ['scale:10', 'dabf3119c1e50056b5c28c97e2c115f80754292073b3a79eb5d173ddc77e7801'],
  ['rotate:10', '2fcad142d7c2ee2f30a2ab0ff2991a57ddcc4519603da64db8b38b06ee401b79'],
  ['crop:4', 'fab29dfec3e7e71f703eed1ff14193437ac87e1a2b1a9b0bd4a644bdff1eb8f3'],
  ['elastic:3', '9a894ce478acd1174a80dc49dcf536f9aed076102595c39e650c6cb1d223c472'],
  ['cutout:8', 'c3e87ba33f41a83bc9e37cae4973b793975dc0d5cc50677078a4835ca421276e'],
  [ALL_KINDS, '7731179df733116510ecf99855c368086bdf0bfdf3058b5d63b7788c96edd594'],
];

describe('the bits of augmented samples', () => {
  for (const [augment, golden] of AUGMENTATIONS) {
    it(augment, () => {
      const hash = createHash('sha256');
      for (const shape of [
        { maps: 1, height: 28, width: 28 },
        { maps: 3, height: 28, width: 14 },
      ]) {
        const size = shape.maps * shape.height * shape.width;
        const samples = { inputs: new Uint8Array(32 * size), targets: new Uint16Array(32) };
        const indices = Int32Array.from(samples.targets, (_, i) => i);
        const batch = { ...dataset.train, first: 2 ** 40, indices, shifts: new Int8Array(64) };
        hash.update(new Augmenter({ seed: 1, augment }, shape, samples).augment(batch).inputs as Uint8Array);
      }
      assert.equal(hash.digest('hex'), golden);
    });
  }

  for (const workers of [1, 3]) {
    it(`in a run with ${workers} workers`, async () => {
      const flags = { iterations: 20, batch: 40, shardSize: 5, workers, augment: ALL_KINDS };
      const { weightsSha256 } = await runOnce({ flags, dataset });
      assert.equal(weightsSha256, 'ff885d5c075571f97f4afb0dc0fa64fa0936137292f5cb7f73dcd69a23109760');
    });
  }
});

function bitsOf(value = Number.NaN): string {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes.toString('hex');
}
