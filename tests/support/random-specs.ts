import fc from 'fast-check';
import { at } from './reference/arrays.ts';
import { kindOf } from './reference/layers/kinds.ts';
import { sizeOf } from './reference/layers/layer.ts';
import { found, INPUT, outputsOf } from './reference/network.ts';
import type { Border, HeadSpec, LayerSpec, NetworkSpec, Padding, Pair, Shape, TrainingLoss } from './reference/spec.ts';

/** A network, and what else a comparison of gradients needs; the seed decides parameters, samples and dropout. */
export interface RandomCase {
  readonly network: NetworkSpec;
  readonly shardSize: number;
  readonly shards: number;
  readonly seed: number;
  /** Inputs are floats, or else bytes over 255. */
  readonly floats: boolean;
  /** Layers that aren't trained. */
  readonly frozen: readonly string[];
  /** In place of the head's own, while training. */
  readonly loss?: TrainingLoss | undefined;
}

const MAX_LAYERS = 12;
const MAX_PARAMETERS = 15_000;
const MAX_MACS = 1_000_000;
const MAX_VALUES = 10_000;
const MAX_MAPS = 24;
const MAX_SIDE = 40;
/** Inputs of a dense layer. */
const MAX_DENSE_INPUTS = 1500;
const SHARD_SIZES = [8, 1, 3, 13, 64];
const MAX_SHARDS = 3;

type Kind = LayerSpec['kind'];
/** In order of how simple they are, as often as they should come. */
const KINDS: readonly Kind[] = [
  ...(['relu', 'relu', 'relu', 'conv', 'conv', 'conv', 'conv', 'conv', 'conv', 'conv', 'conv', 'conv'] as const),
  ...(['dense', 'max-pool', 'max-pool', 'average-pool', 'average-pool', 'subsample', 'subsample'] as const),
  ...(['add', 'add', 'add', 'concat', 'concat', 'batch-norm', 'batch-norm', 'group-norm', 'group-norm'] as const),
  ...(['layer-norm', 'leaky-relu', 'tanh', 'scaled-tanh', 'sigmoid', 'dropout', 'dropout', 'zero-pad'] as const),
  ...(['rescale', 'flatten', 'global-average-pool'] as const),
];

/** Numbers that stand for choices; smaller ones for simpler choices, so that a failing case shrinks to a simple network. */
const choices = fc.noBias(fc.array(fc.nat(9999), { minLength: 14, maxLength: 14 }));

/** Valid networks of 1 to 12 layers, most of them with at most 15,000 parameters and all with about a million multiply-adds a sample. */
export const randomCase: fc.Arbitrary<RandomCase> = fc
  .record({
    input: choices,
    layers: fc.array(choices, { maxLength: MAX_LAYERS, size: 'max' }),
    head: choices,
    shardSize: fc.noBias(fc.nat(SHARD_SIZES.length - 1)),
    shards: fc.noBias(fc.integer({ min: 1, max: MAX_SHARDS })),
    seed: fc.noBias(fc.nat(0xffffff)),
    floats: fc.boolean(),
  })
  .map(({ input, layers, head, shardSize: place, shards: most, seed, floats }) => {
    const builder = new NetworkBuilder(inputShape(new Choices(input)));
    for (const layer of layers) builder.extend(new Choices(layer));
    const network = builder.finish(new Choices(head));
    const shardSize = Math.max(at(SHARD_SIZES, place), builder.needsSeveralSamples ? 8 : 1);
    const shards = shardSize > 32 ? 1 : most;
    return { network, shardSize, shards, seed, floats, frozen: frozenIn(network, seed), loss: lossOf(network, seed) };
  });

/** For every other softmax head that has none of its own. */
function lossOf(network: NetworkSpec, seed: number): TrainingLoss | undefined {
  if (network.head.kind !== 'softmax' || Object.keys(network.head).length > 1 || seed % 2 === 0) return undefined;
  const labelSmoothing = (seed % 5) / 10;
  if (seed % 3 === 0) return { labelSmoothing };
  return { labelSmoothing, classWeights: Array.from({ length: outputsOf(network) }, (_, i) => 0.5 + ((i + seed) % 4)) };
}

/** Every other batch norm and an eighth of the other layers, but not the last, so that something is trained. */
function frozenIn({ layers }: NetworkSpec, seed: number): string[] {
  const isFrozen = ({ kind }: LayerSpec, place: number) =>
    (seed >> (place % 16)) % (kind === 'batch-norm' ? 2 : 8) === 1;
  return layers.slice(0, -1).flatMap((layer, place) => (isFrozen(layer, place) ? [layer.name] : []));
}

function inputShape(choices: Choices): Shape {
  return { maps: 1 + choices.below(4), height: 5 + choices.below(36), width: 5 + choices.below(36) };
}

class Choices {
  readonly #numbers: readonly number[];
  #next = 0;

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers;
  }

  below(count: number): number {
    return (this.#numbers[this.#next++] ?? 0) % count;
  }

  of<T>(items: readonly T[]): T {
    return at(items, this.below(items.length));
  }

  chance(percent: number): boolean {
    return this.below(100) >= 100 - percent;
  }
}

/** What a kind adds to a name and inputs. */
type Fields = Omit<LayerSpec, 'name' | 'inputs'>;

/** Adds layers while they fit, and keeps every layer on a way to the last one. */
class NetworkBuilder {
  readonly #input: Shape;
  readonly #layers: LayerSpec[] = [];
  readonly #shapes: Map<string, Shape>;
  /** Layers that no other layer reads. */
  readonly #unread = new Set<string>();
  #last = INPUT;
  #parameters = 0;
  #macs = 0;
  /** There is a batch norm over vectors: over a single value it is refused, and over three hardly anything is left of a gradient. */
  needsSeveralSamples = false;

  constructor(input: Shape) {
    this.#input = input;
    this.#shapes = new Map([[INPUT, input]]);
  }

  /** Adds the layer that the choices stand for, or none if it doesn't fit. */
  extend(choices: Choices): void {
    if (this.#layers.length + (this.#unread.size > 1 ? 6 : 3) > MAX_LAYERS) return;
    const kind = choices.of(KINDS);
    const named = choices.chance(30);
    // A branch leaves the last layer unread until `finish` or a join reads it.
    const branches = choices.chance(20) && this.#unread.size <= 1 && this.#layers.length + 7 <= MAX_LAYERS;
    const from = branches ? choices.of([...this.#shapes.keys()]) : this.#last;
    const shape = found(this.#shapes, from);
    const inputs = kind === 'add' || kind === 'concat' ? this.#joined(kind, from, choices) : [from];
    const fields = fieldsOf(kind, shape, choices);
    if (fields && inputs.length > 0) this.#add(fields, inputs, named ? choices.below(NAMES.length) : undefined);
  }

  finish(choices: Choices): NetworkSpec {
    if (this.#unread.size > 1) this.#join();
    const shape = found(this.#shapes, this.#last);
    const isVector = shape.height * shape.width === 1;
    const usable = isVector && shape.maps >= 2 && shape.maps <= 12 && this.#parameters > 0;
    if (!(usable && choices.chance(50))) {
      if (sizeOf(shape) > MAX_DENSE_INPUTS) this.#add({ kind: 'global-average-pool' }, [this.#last]);
      this.#add({ kind: 'dense', units: 2 + choices.below(9), bias: !choices.chance(20) } as Fields, [this.#last]);
    }
    const head = headOf(found(this.#shapes, this.#last).maps, choices);
    return { name: 'random', input: this.#input, layers: this.#layers, head };
  }

  /** Makes vectors of all layers that nothing reads, and joins them. */
  #join(): void {
    const vectors = [...this.#unread].map((name) => {
      const { height, width } = found(this.#shapes, name);
      if (height * width > 1) this.#add({ kind: 'global-average-pool' }, [name]);
      return height * width > 1 ? this.#last : name;
    });
    this.#add({ kind: 'concat' }, vectors);
  }

  /** Inputs that fit together, first the layers that nothing reads; none if there is but the one. */
  #joined(kind: 'add' | 'concat', from: string, choices: Choices): string[] {
    const { maps, height, width } = found(this.#shapes, from);
    const fitting = [...this.#shapes]
      .filter(([, shape]) => shape.height === height && shape.width === width)
      .filter(([name, shape]) => name !== from && (kind === 'concat' || shape.maps === maps))
      .map(([name]) => name);
    const unread = fitting.filter((name) => this.#unread.has(name));
    if (fitting.length === 0) return [];
    const others = [choices.of(unread.length > 0 ? unread : fitting)];
    if (choices.chance(25)) others.push(choices.of([...fitting, from]));
    return choices.chance(50) ? [...others, from] : [from, ...others];
  }

  #add(fields: Fields, inputs: readonly string[], given?: number): void {
    const place = this.#layers.length + 1;
    const name = given === undefined ? `${fields.kind}${place}` : `${at(NAMES, given)}${place}`;
    const spec = { name, inputs, ...fields } as LayerSpec;
    const shapes = inputs.map((input) => found(this.#shapes, input));
    const output = kindOf(spec).shape(spec, shapes);
    const tensors = kindOf(spec).tensors?.(spec, shapes) ?? [];
    const parameters = tensors.reduce((sum, { shape }) => sum + shape.reduce((product, side) => product * side, 1), 0);
    const macs = parameters * (spec.kind === 'conv' ? output.height * output.width : 1);
    const isLast = this.#layers.length === MAX_LAYERS - 1 || spec.kind === 'dense';
    if (output.maps > MAX_MAPS && spec.kind !== 'concat' && spec.kind !== 'flatten') return;
    if (output.height > MAX_SIDE || output.width > MAX_SIDE || sizeOf(output) > MAX_VALUES) return;
    if (!isLast && (this.#parameters + parameters > MAX_PARAMETERS || this.#macs + macs > MAX_MACS)) return;
    this.#layers.push(spec);
    this.#shapes.set(name, output);
    this.#parameters += parameters;
    this.#macs += macs;
    for (const input of inputs) this.#unread.delete(input);
    this.#unread.add(name);
    this.#last = name;
    if (spec.kind === 'batch-norm' && output.height * output.width === 1) this.needsSeveralSamples = true;
  }
}

/** Given names, each followed by the layer's place. */
const NAMES = ['a', 'B_', '0', 'x.weight', 'relu-', '_-.', `${'long'.repeat(15)}_`];

function fieldsOf(kind: Kind, shape: Shape, choices: Choices): Fields | undefined {
  const size = sizeOf(shape);
  switch (kind) {
    case 'conv':
      return convFields(shape, choices);
    case 'max-pool':
    case 'average-pool':
      return poolFields(kind, shape, choices);
    case 'subsample':
      return shape.height % 2 === 0 && shape.width % 2 === 0 ? { kind } : undefined;
    case 'dense':
      if (size > MAX_DENSE_INPUTS) return undefined;
      return fields({ kind, units: 2 + choices.below(11), bias: !choices.chance(20) });
    case 'leaky-relu':
      return fields({ kind, slope: choices.of([0.01, 0.2, 0]) });
    case 'batch-norm':
      return fields({ kind, momentum: choices.of([0.1, 0.25]), epsilon: choices.of([1e-5, 1e-3]) });
    case 'group-norm': {
      const groups = choices.of(divisors(shape.maps));
      return size / groups > 1 ? fields({ kind, groups, epsilon: choices.of([1e-5, 1e-3]) }) : undefined;
    }
    case 'layer-norm':
      return size > 1 && size <= 2500 ? fields({ kind, epsilon: choices.of([1e-5, 1e-3]) }) : undefined;
    case 'dropout':
      return fields({ kind, rate: choices.of([0.5, 0.1, 0.25, 0.9, 0]) });
    case 'zero-pad':
      return fields({ kind, padding: borderBelow([3, 3], choices) });
    case 'rescale':
      return fields({ kind, scale: choices.of([2, 0.5, -1.5]), offset: choices.of([0, -0.5, 1]) });
    default:
      return { kind };
  }
}

function fields<F extends Fields>(made: F): Fields {
  return made;
}

function convFields({ maps, height, width }: Shape, choices: Choices): Fields | undefined {
  const groups = choices.chance(30) ? choices.of(divisors(maps)) : 1;
  const keepsShape = choices.chance(45);
  const kernel = sizeWithin(height, width, 5, choices);
  if (keepsShape)
    return fields({ kind: 'conv', maps, kernel, stride: [1, 1], padding: 'same', groups, bias: !choices.chance(30) });
  const stride = strideOf(choices);
  const padding = paddingOf(kernel, choices);
  const outputs = groups * (1 + choices.below(Math.max(1, Math.floor(8 / groups))));
  const common = { kind: 'conv', maps: outputs, kernel, stride, padding, groups, bias: !choices.chance(30) } as const;
  if (groups > 1 || !choices.chance(25)) return fields(common);
  const bits = choices.below(9999);
  // Each output needs an input.
  const first = (o: number) => (o + bits) % maps;
  const table = Array.from({ length: maps }, (_, i) =>
    Array.from({ length: outputs }, (_, o) => o).filter(
      (o) => i === first(o) || (bits >> ((3 * i + o) % 13)) % 2 === 1,
    ),
  );
  return fields({ ...common, table });
}

function poolFields(kind: 'max-pool' | 'average-pool', { height, width }: Shape, choices: Choices): Fields {
  const size = sizeWithin(height, width, 4, choices);
  const stride = choices.chance(50) ? { stride: strideOf(choices) } : {};
  return fields({ kind, size, ...stride, padding: paddingOf(size, choices) });
}

/** A kernel's or window's sides, square more often than not. */
function sizeWithin(height: number, width: number, most: number, choices: Choices): Pair {
  const rows = 1 + choices.below(Math.min(height, most));
  const columns = choices.chance(30) ? 1 + choices.below(most) : rows;
  return [rows, Math.min(columns, width)];
}

function strideOf(choices: Choices): Pair {
  return choices.of<Pair>([
    [1, 1],
    [2, 2],
    [1, 2],
    [2, 1],
    [3, 3],
    [3, 1],
  ]);
}

/** Less than a window on each side, so that every window covers a position of the input. */
function paddingOf(size: Pair, choices: Choices): Padding {
  return choices.of<() => Padding>([() => 'valid', () => 'same', () => borderBelow(size, choices)])();
}

function borderBelow([rows, columns]: Pair, choices: Choices): Border {
  return [choices.below(rows), choices.below(columns), choices.below(rows), choices.below(columns)];
}

function divisors(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1).filter((divisor) => count % divisor === 0);
}

function headOf(outputs: number, choices: Choices): HeadSpec {
  const kind = choices.of(['softmax', 'mse', 'sigmoid', 'rbf'] as const);
  if (kind === 'softmax') {
    return {
      kind,
      ...(choices.chance(40) && { labelSmoothing: choices.of([0.1, 0.3]) }),
      ...(choices.chance(40) && { classWeights: Array.from({ length: outputs }, (_, i) => 0.5 + (i % 3)) }),
    };
  }
  if (kind !== 'rbf') return { kind };
  // Classes of the same target would always tie.
  const classes = 2 + choices.below(2 ** Math.min(outputs, 3) - 1);
  const bits = choices.below(9999);
  const targets = Array.from({ length: classes }, (_, c) =>
    Array.from({ length: outputs }, (_, i) => (((c >> (i % 3)) ^ (bits >> (i % 13))) % 2 === 0 ? 1 : -1)),
  );
  return { kind, targets, j: choices.of([0.1, 5]) };
}

/** The network as a person may write it: without what the defaults say. */
export function written({ name, input, layers, head }: NetworkSpec): unknown {
  const before = (place: number) => (place === 0 ? INPUT : at(layers, place - 1).name);
  return {
    name,
    input,
    layers: layers.map((layer, place) => writtenLayer(layer, `${layer.kind}${place + 1}`, before(place))),
    head: Object.keys(head).length === 1 ? head.kind : head,
  };
}

const DEFAULTS: Readonly<Record<string, unknown>> = {
  padding: 'valid',
  groups: 1,
  bias: true,
  slope: 0.01,
  momentum: 0.1,
  epsilon: 1e-5,
};

function writtenLayer(layer: LayerSpec, defaultName: string, before: string): Record<string, unknown> {
  const fields = Object.entries(layer).flatMap(([field, value]): [string, unknown][] => {
    if (field === 'name' && value === defaultName) return [];
    if (field === 'inputs' && value.length === 1 && value[0] === before) return [];
    if (field === 'stride' && layer.kind === 'conv' && String(value) === '1,1') return [];
    if (field !== 'kind' && DEFAULTS[field] === value && !(layer.kind === 'group-norm' && field === 'groups'))
      return [];
    const isSquare = (field === 'kernel' || field === 'size' || field === 'stride') && value[0] === value[1];
    return [[field, isSquare ? value[0] : value]];
  });
  return Object.fromEntries(fields);
}
