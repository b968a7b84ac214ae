// The numerics digests, on any system and Node: node dist/tests/shared/engine/numerics.test.js
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { inputKindOf } from '#src/shared/data/dataset.js';
import { nativeTargets } from '#src/shared/engine/native/addon.js';
import {
  digestOn,
  hasNumerics,
  NUMERICS_NAMES,
  type NumericsName,
  numericsByName,
  numericsNames,
  numericsOf,
} from '#src/shared/engine/numerics/numerics.js';
import { Bench } from '#src/shared/engine/numerics/trial.js';
import { OPERATIONS } from '#src/shared/engine/operations.js';
import { OPTIMIZER_NAMES } from '#src/shared/engine/optimizers/registry.js';
import type { Schedule } from '#src/shared/engine/schedule-table.js';
import { AUGMENTED, selfTestModels, selfTestSamples } from '#src/shared/engine/self-test.js';
import { compileKernel } from '#src/shared/engine/wasm/exports.js';
import { modelOf } from '#src/shared/model/registry.js';

/**
 * The first digits of each digest. A difference ends the runs that use the operation: if that is intended, raise its version in
 * numerics.ts and insert the value that the failed comparison shows.
 */
const GOLDEN: Readonly<Record<NumericsName, string>> = {
  activate: 'a6f74448413f129b',
  activateBackward: 'ae469475d2bbdf48',
  activationBackward: 'f037f50bda05f811',
  adam: '5f78754c146ad054',
  add: '3dd79ee710bfccb0',
  addMaps: '268252d4343409f8',
  affine: '6aa51ccf1bd86d57',
  'augment:colour': 'da97bc2b89c7d7e0',
  'augment:crop': '90a7cc9ad1843067',
  'augment:cutout': 'ceceb604086c83a1',
  'augment:elastic': 'bf2c406e90723e12',
  'augment:flip': 'ac0634d90a838dfe',
  'augment:rotate': '311c8d918fd18986',
  'augment:scale': '46ae27b0f48164ff',
  'augment:together': '75caa7617849286b',
  augmentation: '609dcaacfc67c54b',
  averagePool: '9594b23e33864db3',
  averagePoolBackward: '847f261e49f25ed4',
  batchNorm: '8320e1afbca9d2fa',
  batchNormBackward: 'b2f8870519de7aa1',
  batchNormInference: 'af46ff684950438d',
  batchNormInferenceBackward: '1bbd51745bf585d2',
  biasCorrection: 'ad27929900873736',
  biasGradient: 'dee62ad9f099b2bd',
  boxSum: '44e974d5659c58b2',
  boxSumBackward: 'b59b998d99a5cfaa',
  clear: 'b3e16e81b2c92145',
  conv: '0a8e46e4e17e4e6f',
  convWeightGradient: '36c9d075c53dc7fa',
  copyMaps: 'f6413ee5e18101de',
  decodeBoxSums: 'c11c3166b353d55d',
  decodeBytes: '856988bb24b5ea4e',
  decodeFloats: 'b5764ab145b30691',
  denseForward: '9ef7137fdd76b11f',
  denseInputGradient: '708d54bd7de7cfb8',
  denseWeightGradient: '195489a048810769',
  dropout: '19604da175a985a6',
  dropoutBackward: '016856cc9e652dff',
  foldSubsample: '2f58e66c88524512',
  follow: '9c6d3ce7119f1fa9',
  groupNorm: 'de54b37dc068406f',
  groupNormBackward: '63d22f1060dbbb5d',
  initialWeights: 'ba1bae9516fb251e',
  learningRate: '350a3b4364da6467',
  mapAffine: '48a52b4e08eac85e',
  mapAffineBackward: '50bf6dd8ac48481c',
  maxPool: 'b39af31d51a638fd',
  maxPoolBackward: '49652f6737846b36',
  meanAndSquares: '16334fd1720122bf',
  mseHead: 'ec37e2c2cda99411',
  packWeights: '0957630de1152f56',
  program: '3f147b76963e319f',
  rbfHead: 'fec6a2313f0668f0',
  rounds: '4fe4547a0ca3b422',
  sampler: '03ddcbec1705cfaa',
  scheduleTable: 'e0b2da57bcb3b4e8',
  sgd: '212f10fdfceff5c6',
  sigmoidHead: 'b60e27154f9dbc86',
  smoothedSoftmaxHead: '12489deeb08f9633',
  softmaxHead: '40d61c4fd839b0c7',
  subsampledConv: 'e1f020437b60cc26',
  subsampledConvInputGradient: 'bd5eca91c79f7ee3',
  subsampledConvWeightGradient: '61001ed661fee04c',
  transpose: 'c6b5d018dccb631d',
  tree: 'ed205515e50f6aec',
  unfoldGradient: '1f318d5ccb7fe1ad',
  weightedSoftmaxHead: '5410c85e37d27d04',
};
const F32_CONST = Buffer.of(0x43);
const V128_CONST = Buffer.of(0xfd, 0x0c);
const VERSION_0_1_0 = '61ca76e0cca528e5b17723e9292bb51a4b7e5685d2214ab695df10590ae3b49f';

const kernelBytes = readFileSync(new URL('../../../kernel/kernel.wasm', import.meta.url));
const lenet = (options = {}) => modelOf({ head: 'softmax', rbfJ: 0.1, ...options });
const DIGITS = { name: 'digits', maps: 1, height: 28, width: 28, classes: 10 };
const preset = (model: string) => modelOf({ head: 'softmax', rbfJ: 0.1, model }, DIGITS);

/** The digests that differ if the kernel's float32 constant `from` is `to`. */
function changedBy(from: number, to: number): readonly NumericsName[] {
  const bytes = Buffer.from(kernelBytes);
  let places = 0;
  // A constant by itself, and one in all lanes.
  for (const lanes of [1, 4]) {
    const [before, after] = [from, to].map((value) => {
      const floats = Buffer.from(Float32Array.of(...new Array<number>(lanes).fill(value)).buffer);
      return Buffer.concat([lanes === 1 ? F32_CONST : V128_CONST, floats]);
    }) as [Buffer, Buffer];
    for (let at = bytes.indexOf(before); at >= 0; at = bytes.indexOf(before, at + 1), places++) after.copy(bytes, at);
  }
  assert.ok(places > 0, `the kernel has no constant ${from}`);
  const bench = new Bench({ module: new WebAssembly.Module(bytes), target: 'wasm' });
  const own = numericsByName();
  return NUMERICS_NAMES.filter((name) => !digestOn(bench, name).startsWith(own[name] as string));
}

describe('the digest of an operation', () => {
  it('is the same on every machine', () => {
    assert.deepEqual(numericsByName(), GOLDEN);
  });

  for (const target of nativeTargets())
    it(`is the same by native code (${target})`, () => {
      const bench = new Bench(compileKernel(target));
      const digests = NUMERICS_NAMES.map((name) => [name, digestOn(bench, name).slice(0, 16)]);
      assert.deepEqual(Object.fromEntries(digests), GOLDEN);
    });

  it('is there for every operation', () => {
    for (const name of Object.keys(OPERATIONS)) assert.ok(NUMERICS_NAMES.includes(name as NumericsName), name);
  });

  it('shows what is flushed to zero', () => {
    const changed = changedBy(2 ** -60, 2 ** -58);
    assert.deepEqual(changed, [
      'activateBackward',
      'activationBackward',
      'adam',
      'affine',
      'averagePoolBackward',
      'batchNormBackward',
      'batchNormInferenceBackward',
      'boxSumBackward',
      'conv',
      'denseInputGradient',
      'groupNormBackward',
      'mapAffineBackward',
      'mseHead',
      'rbfHead',
      'sgd',
      'sigmoidHead',
      'smoothedSoftmaxHead',
      'softmaxHead',
      'weightedSoftmaxHead',
    ]);
    assert.deepEqual(changedBy(2 ** -100, 2 ** -98), ['adam']);
  });

  it('shows constants of functions', () => {
    assert.deepEqual(changedBy(1 / 255, 1 / 256), ['decodeBoxSums', 'decodeBytes']);
    const amplitude = 1.7159;
    const changed = changedBy(amplitude, Math.fround(amplitude) + 2 ** -23);
    for (const name of ['activate', 'activateBackward', 'activationBackward', 'denseForward'] as const)
      assert.ok(changed.includes(name), name);
  });
});

describe('the digest of a run', () => {
  it('is that of version 0.1.0 for LeNet-5, whatever the head and the optimizer', () => {
    for (const head of ['softmax', 'rbf'] as const)
      for (const optimizer of OPTIMIZER_NAMES)
        assert.ok(hasNumerics(VERSION_0_1_0, { layout: lenet({ head }), optimizer }), `${head} ${optimizer}`);
  });

  it('is not that of version 0.1.0 for what that did not have', () => {
    for (const layout of [preset('lenet5-relu'), preset('resnet8')])
      assert.ok(!hasNumerics(VERSION_0_1_0, { layout, optimizer: 'adam' }), layout.spec.name);
  });

  it('is over the operations that its program uses, and no others', () => {
    const names = numericsNames({ layout: lenet(), optimizer: 'sgd' });
    assert.ok(names.includes('subsampledConv') && names.includes('sgd') && names.includes('tree'));
    for (const name of ['adam', 'biasCorrection', 'follow', 'conv', 'dropout', 'rbfHead'] as const)
      assert.ok(!names.includes(name), name);
    assert.notEqual(
      numericsOf({ layout: lenet(), optimizer: 'sgd' }),
      numericsOf({ layout: lenet(), optimizer: 'adam' }),
    );
    assert.ok(numericsNames({ layout: preset('resnet20'), optimizer: 'adam' }).includes('conv'));
  });

  it('has the operation of the loss that training has in place of the head', () => {
    const heads = (options: object) =>
      numericsNames({ layout: lenet(options), optimizer: 'sgd' }).filter((name) => /[a-z]Head$/.test(name));
    assert.deepEqual(heads({ labelSmoothing: 0 }), ['softmaxHead']);
    assert.deepEqual(heads({ labelSmoothing: 0.1 }), ['smoothedSoftmaxHead', 'softmaxHead']);
    for (const classWeights of ['balanced', '1,2,3,4,5,6,7,8,9,10'])
      assert.deepEqual(heads({ classWeights }), ['softmaxHead', 'weightedSoftmaxHead']);
  });

  it('has the kinds of augmentation besides shifts, if there are any', () => {
    const names = (augment: string) => numericsNames({ layout: lenet(), optimizer: 'sgd', augment });
    assert.deepEqual(names('shift'), names('none'));
    const more = names('flip,crop:4,shift').filter((name) => !names('none').includes(name));
    assert.deepEqual(more, ['augment:crop', 'augment:flip', 'augment:together']);
    const computed = { layout: lenet(), optimizer: 'sgd' } as const;
    assert.ok(!hasNumerics(numericsOf({ ...computed, augment: 'flip' }), { ...computed, augment: 'shift' }));
    assert.ok(!hasNumerics(VERSION_0_1_0, { ...computed, augment: 'flip' }));
    assert.ok(hasNumerics(VERSION_0_1_0, { ...computed, augment: 'none' }));
  });

  it('has rounds only if the job is cut into replicas', () => {
    const computed = { layout: lenet(), optimizer: 'adam' } as const;
    const [without, one, four] = [undefined, 1, 4].map((replicas) => numericsOf({ ...computed, replicas }));
    assert.equal(one, without);
    assert.ok(four !== undefined && four !== one);
    assert.ok(hasNumerics(four, { ...computed, replicas: 2 }) && !hasNumerics(four, computed));
  });

  it("has a schedule's table only if it is one", () => {
    const names = (schedule: Schedule) => numericsNames({ layout: lenet(), optimizer: 'adam', schedule });
    assert.deepEqual(names('constant'), names('cosine'));
    const more = names([[0, 1]]).filter((name) => !names('cosine').includes(name));
    assert.deepEqual(more, ['scheduleTable']);
  });

  it('is found whether samples are bytes or floats', () => {
    const layout = lenet();
    for (const inputs of ['uint8', 'float32'] as const)
      assert.ok(hasNumerics(numericsOf({ layout, optimizer: 'adam', inputs }), { layout, optimizer: 'adam' }));
    assert.ok(!hasNumerics(numericsOf({ layout, optimizer: 'sgd' }), { layout, optimizer: 'adam' }));
  });
});

it("the self-test's models have every operation", () => {
  const models = [lenet(), lenet({ head: 'rbf' }), ...selfTestModels()];
  const used = models.flatMap((layout) => {
    const inputs = inputKindOf(selfTestSamples(layout));
    return OPTIMIZER_NAMES.flatMap((optimizer) => numericsNames({ layout, optimizer, inputs, augment: AUGMENTED }));
  });
  // Rounds are made of the same updates, and of `add` and `meanAndSquares`; a table of the schedule is no code of the kernel.
  const expected = NUMERICS_NAMES.filter((name) => name !== 'rounds' && name !== 'scheduleTable');
  assert.deepEqual([...new Set(used)].sort(), expected);
});
