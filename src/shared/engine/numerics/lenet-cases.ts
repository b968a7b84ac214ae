// What LeNet-5's fused layers, dense layers and heads over labels are tried on.
import { LANES, POSITION, stackAt } from '../../model/layers/emit.ts';
import type { OperationName } from '../operations.ts';
import type { Trial } from './trial.ts';

export type Cases<Name extends string> = Readonly<Record<Name, (trial: Trial) => void>>;

/** Numbers of dense layers' activations: none, ReLU, scaled tanh. */
const ACTIVATIONS = [0, 1, 2] as const;

/** Two input maps, three output maps with kernels of 5x5: which input map each kernel reads, and the first kernel of each output map. */
const CONV = {
  inputs: [0, 0, 1, 1],
  starts: [0, 1, 3, 4],
  inputMaps: 2,
  maps: 3,
  height: 3,
  width: 11,
  size: 5,
} as const;
const TAPS = CONV.size ** 2;
const KERNELS = CONV.inputs.length;
const OUTPUT = { maps: CONV.maps, height: CONV.height, width: CONV.width };
/** The box sums that the outputs read at stride 2. */
const SUMS = { maps: CONV.inputMaps, height: 2 * CONV.height + 3, width: 2 * CONV.width + 3 };

const CLASSES = 7;
const UNITS = 13;

export const LENET_CASES: Cases<
  Extract<
    OperationName,
    'decodeBoxSums' | 'boxSum' | 'boxSumBackward' | 'foldSubsample' | 'unfoldGradient' | `subsampled${string}`
  >
> = {
  decodeBoxSums(trial) {
    const [side, padding, samples] = [19, 2, 3];
    const padded = side + 2 * padding;
    const stride = 16 * Math.ceil((padded + 1) / 16);
    const images = trial.bytes(trial.below(samples * side * side, 256));
    const indices = trial.integers(trial.below(LANES, samples));
    const shifts = trial.bytes(trial.below(2 * LANES, 2 * padding + 1).map((shift) => (shift - padding) & 255));
    const scratch = trial.room(LANES * ((padded + 1) * stride + 2 * padded * stride) + 16);
    const out = trial.room((padded - 1) * stride * POSITION);
    trial.run('decodeBoxSums', [indices, shifts, side, side, padding, stride, padded, scratch, out], {
      samples: images,
    });
    // The last columns of a row are never read.
    const shape = { maps: 1, height: padded - 1, width: padded - 1 };
    trial.stackAt({ ...stackAt(out, shape), row: stride * POSITION });
  },
  boxSum(trial) {
    const x = trial.stack({ maps: 3, height: 7, width: 5 });
    const out = trial.target({ maps: 3, height: 6, width: 4 });
    trial.run('boxSum', [x.at, 3, 7, 5, out.at]);
    trial.stackAt(out);
  },
  boxSumBackward(trial) {
    const d = trial.stack({ maps: 3, height: 6, width: 4 }, { top: 1, left: 1, bottom: 1, right: 1 });
    const shape = { maps: 3, height: 7, width: 5 };
    const x = trial.stack(shape);
    const out = trial.target(shape);
    trial.run('boxSumBackward', [d.at - d.row - POSITION, x.at, 3, 7, 5, out.at]);
    trial.stackAt(out);
  },
  foldSubsample(trial) {
    const [folded, foldedBias] = [trial.room(4 * KERNELS * TAPS), trial.room(4 * CONV.maps)];
    const tensors = [trial.floats(KERNELS * TAPS), ...[1, 2, 3].map(() => trial.floats(CONV.maps))];
    trial.run('foldSubsample', [...tensors, trial.integers(CONV.starts), TAPS, CONV.maps, folded, foldedBias]);
    trial.floatsAt(folded, KERNELS * TAPS);
    trial.floatsAt(foldedBias, CONV.maps);
  },
  subsampledConv(trial) {
    const x = trial.stack(SUMS);
    const out = trial.target(OUTPUT);
    const tables = [trial.integers(CONV.starts), trial.integers(CONV.inputs)];
    const weights = [trial.floats(KERNELS * TAPS), trial.floats(CONV.maps)];
    const { size, maps, height, width } = CONV;
    trial.run('subsampledConv', [x.at, x.plane, x.row, ...tables, ...weights, size, maps, height, width, out.at]);
    trial.stackAt(out);
  },
  subsampledConvWeightGradient(trial) {
    const [x, d] = [trial.stack(SUMS), trial.stack(OUTPUT)];
    const [gradient, bias] = [trial.room(4 * KERNELS * TAPS), trial.room(4 * CONV.maps)];
    const tables = [trial.integers(CONV.starts), trial.integers(CONV.inputs)];
    const { size, maps, height, width } = CONV;
    const from = [x.at, x.plane, x.row, ...tables, d.at, size, maps, height, width];
    trial.run('subsampledConvWeightGradient', [...from, gradient, bias]);
    trial.floatsAt(gradient, KERNELS * TAPS);
    trial.floatsAt(bias, CONV.maps);
  },
  unfoldGradient(trial) {
    const [weights, maps] = [KERNELS * TAPS, CONV.maps];
    const tensors = [trial.floats(weights), trial.floats(maps), trial.floats(maps)];
    const folded = [trial.floats(weights), trial.floats(maps)];
    const gradients = [trial.floats(weights), trial.floats(maps), trial.floats(maps), trial.floats(maps)] as const;
    trial.run('unfoldGradient', [...tensors, trial.integers(CONV.starts), TAPS, maps, ...folded, ...gradients]);
    const [weight, ...others] = gradients;
    trial.floatsAt(weight, weights);
    for (const gradient of others) trial.floatsAt(gradient, maps);
  },
  subsampledConvInputGradient(trial) {
    const d = trial.stack(OUTPUT);
    const out = trial.target(SUMS, { top: 1, left: 1, bottom: 0, right: 0 });
    // Per input map, its kernels and the output maps that they feed.
    const feeds = [0, 1, 2, 3].flatMap((kernel) => {
      const output = CONV.starts.findLastIndex((start) => start <= kernel);
      return [kernel * TAPS * 4, output * d.plane];
    });
    const tables = [trial.integers(feeds), trial.integers([0, 2, 4])];
    const weights = trial.floats(KERNELS * TAPS);
    const { size, inputMaps, height, width } = CONV;
    const sizes = [size, inputMaps, height, width];
    trial.run('subsampledConvInputGradient', [d.at, weights, ...tables, ...sizes, out.at, out.plane, out.row]);
    trial.stackAt(out);
  },
};

export const DENSE_CASES: Cases<
  Extract<
    OperationName,
    'clear' | 'denseForward' | 'denseInputGradient' | 'transpose' | 'denseWeightGradient' | 'activationBackward'
  >
> = {
  clear(trial) {
    const at = trial.floats(20);
    trial.run('clear', [at, 48]);
    trial.floatsAt(at, 20);
  },
  denseForward(trial) {
    const [weight, bias, x] = [trial.floats(11 * UNITS), trial.floats(11), trial.stack(vector(UNITS))];
    const out = trial.target(vector(11));
    for (const activation of ACTIVATIONS) {
      trial.run('denseForward', [weight, activation === 0 ? -1 : bias, x.at, UNITS, 11, activation, out.at]);
      trial.stackAt(out);
    }
  },
  denseInputGradient(trial) {
    const [weight, d, x] = [trial.floats(11 * UNITS), trial.stack(vector(11)), trial.stack(vector(UNITS))];
    const out = trial.target(vector(UNITS));
    for (const activation of ACTIVATIONS) {
      trial.run('denseInputGradient', [weight, d.at, x.at, UNITS, 11, activation, out.at]);
      trial.stackAt(out);
    }
  },
  // How values are kept for it is no part of the numerics.
  transpose: (trial) => tryDenseWeightGradient(trial, { shards: 1, inputs: 5, outputs: 3 }),
  denseWeightGradient: (trial) => tryDenseWeightGradient(trial, { shards: 5, inputs: 19, outputs: 7 }),
  activationBackward(trial) {
    const [d, x] = [trial.stack(vector(UNITS)), trial.stack(vector(UNITS))];
    const out = trial.target(vector(UNITS));
    for (const activation of ACTIVATIONS) {
      trial.run('activationBackward', [d.at, x.at, UNITS, activation, out.at]);
      trial.stackAt(out);
    }
  },
};

interface DenseSizes {
  readonly shards: number;
  readonly inputs: number;
  readonly outputs: number;
}

/** Shards of one block each. */
function tryDenseWeightGradient(trial: Trial, { shards, inputs, outputs }: DenseSizes): void {
  const kept = (features: number) => {
    const bytes = 4 * LANES * 16 * Math.ceil(features / 16);
    const at = trial.room(shards * bytes);
    for (let shard = 0; shard < shards; shard++)
      trial.run('transpose', [trial.stack(vector(features)).at, features, at, bytes], { kept: shard });
    return { at, bytes };
  };
  const [d, x] = [kept(outputs), kept(inputs)];
  const [gradient, bias, stack] = [trial.room(4 * inputs * outputs), trial.room(4 * outputs), trial.room(128 * 5)];
  const values = [d.at, x.at, LANES, inputs, outputs, gradient, bias, stack, d.bytes, x.bytes];
  trial.run('denseWeightGradient', values, { count: shards });
  trial.floatsAt(gradient, inputs * outputs);
  trial.floatsAt(bias, outputs);
}

export const HEAD_CASES: Cases<Extract<OperationName, `${string}Head`>> = {
  softmaxHead: (trial) =>
    tryLabels(trial, CLASSES, (z, labels, d, predictions, loss) =>
      trial.run('softmaxHead', [z, labels, CLASSES, d, predictions, loss]),
    ),
  smoothedSoftmaxHead(trial) {
    const weights = trial.positives(CLASSES);
    for (const [smoothing, classWeights] of [
      [0.1, 0],
      [0, weights],
      [0.3, weights],
    ] as const)
      tryLabels(trial, CLASSES, (z, labels, d, predictions, loss) =>
        trial.run('smoothedSoftmaxHead', [z, labels, CLASSES, d, predictions, loss, smoothing, classWeights]),
      );
  },
  weightedSoftmaxHead(trial) {
    const weights = trial.positives(CLASSES);
    for (const smoothing of [0, 0.3])
      tryLabels(trial, CLASSES, (z, labels, d, predictions, loss) =>
        trial.run('weightedSoftmaxHead', [z, labels, CLASSES, d, predictions, loss, smoothing, weights]),
      );
  },
  rbfHead(trial) {
    const targets = trial.floats(CLASSES * UNITS);
    tryLabels(trial, UNITS, (x, labels, d, predictions, loss) => {
      const y = trial.target(vector(CLASSES));
      trial.run('rbfHead', [x, targets, labels, CLASSES, UNITS, 0.1, y.at, d, predictions, loss]);
      trial.stackAt(y);
    });
  },
  sigmoidHead: (trial) =>
    tryNumbers(trial, (z, d, loss, indices, targets) => {
      const predictions = trial.room(4 * LANES);
      trial.run('sigmoidHead', [z, CLASSES, d, predictions, loss, indices], { targets });
      trial.integersAt(predictions, trial.variant.count);
    }),
  mseHead: (trial) =>
    tryNumbers(trial, (z, d, loss, indices, targets) =>
      trial.run('mseHead', [z, CLASSES, d, loss, indices], { targets }),
    ),
};

function vector(units: number) {
  return { maps: units, height: 1, width: 1 };
}

/** Factors of logits, one after the other: as they are, and then so that some probabilities are about to vanish. */
const GAINS = [1, 24];

function tryLabels(
  trial: Trial,
  units: number,
  run: (z: number, labels: number, d: number, predictions: number, loss: number) => void,
): void {
  const [z, d] = [trial.stack(vector(units)), trial.target(vector(units))];
  const [predictions, loss] = [trial.room(4 * LANES), trial.room(8)];
  for (const gain of GAINS) {
    trial.change(z, (value) => value * gain);
    run(z.at, trial.labels(CLASSES), d.at, predictions, loss);
    trial.stackAt(d);
    trial.integersAt(predictions, trial.variant.count);
    trial.numberAt(loss);
  }
}

function tryNumbers(
  trial: Trial,
  run: (z: number, d: number, loss: number, indices: number, targets: number) => void,
): void {
  const [z, d, loss] = [trial.stack(vector(CLASSES)), trial.target(vector(CLASSES)), trial.room(8)];
  const samples = 9;
  const indices = trial.integers(trial.below(LANES, samples));
  // Of several samples all targets are 0.
  const targets = trial.positives(4 * CLASSES);
  trial.room(4 * (samples - 4) * CLASSES);
  for (const gain of GAINS) {
    trial.change(z, (value) => value * gain);
    run(z.at, d.at, loss, indices, targets);
    trial.stackAt(d);
    trial.numberAt(loss);
  }
  // Logits whose sigmoid is about to vanish.
  trial.change(z, (_, i) => -36 - i / 8);
  run(z.at, d.at, loss, indices, targets);
  trial.stackAt(d);
}
