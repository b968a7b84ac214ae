// What each kind of augmentation is tried on, by itself and together with the others.
import { shapeSize } from '../../model/shape.ts';
import { Augmenter } from '../augmentations/augmenter.ts';
import type { AugmentationKind } from '../augmentations/kind.ts';
import { AUGMENTATIONS, augmentationText } from '../augmentations/registry.ts';
import type { Cases } from './lenet-cases.ts';
import type { Trial } from './trial.ts';

export type AugmentationCase = `augment:${string}`;

/** The name of a kind among what decides the bits. */
export function augmentationCase({ name }: Pick<AugmentationKind, 'name'>): AugmentationCase {
  return `augment:${name}`;
}

/** The order of the kinds, and how those that move pixels are combined: what every run with any of them uses. */
export const TOGETHER: AugmentationCase = 'augment:together';

const KINDS = AUGMENTATIONS.filter(({ stage }) => stage !== 'decode');
const SEED = 2 ** 40 + 7;
const SAMPLES = 3;
const GREY = { maps: 1, height: 28, width: 28 };
const COLOURS = { maps: 3, height: 9, width: 13 };
/** Parts of the largest strength. */
const PARTS = [0.25, 1];

export const AUGMENTATION_CASES: Cases<AugmentationCase> = {
  ...Object.fromEntries(KINDS.map((kind) => [augmentationCase(kind), (trial: Trial) => tryKind(trial, kind)])),
  [TOGETHER]: (trial) => {
    const list = KINDS.map((kind) => ({ kind, strength: kind.strength?.default ?? 0 }));
    tryList(trial, augmentationText(list), COLOURS);
  },
};

function tryKind(trial: Trial, kind: AugmentationKind): void {
  const { strength = { default: 0, max: 0, step: 1 } } = kind;
  const parts = PARTS.map((part) => strength.step * Math.floor((part * Math.min(strength.max, 90)) / strength.step));
  for (const each of new Set([strength.default, ...parts]))
    for (const shape of [GREY, COLOURS]) tryList(trial, augmentationText([{ kind, strength: each }]), shape);
}

function tryList(trial: Trial, augment: string, shape: typeof GREY): void {
  const size = shapeSize(shape);
  const inputs = Uint8Array.from(trial.below(SAMPLES * size, 256));
  const samples = { inputs: new Uint8Array(SAMPLES * size), targets: new Uint16Array(SAMPLES) };
  const augmenter = new Augmenter({ seed: SEED, augment }, shape, samples);
  const indices = Int32Array.of(2, 0, 1);
  // Another part of the stream for each variant.
  const first = trial.variant.count * 2 ** 36;
  const batch = { inputs, targets: samples.targets, first, indices, shifts: new Int8Array(2 * SAMPLES) };
  trial.text(augmenter.augment(batch).inputs.join());
}
