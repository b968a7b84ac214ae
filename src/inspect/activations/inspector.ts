import type { Inputs } from '../../shared/data/dataset.ts';
import { planProgram } from '../../shared/engine/program/planner.ts';
import type { OperationList, Program } from '../../shared/engine/program/program.ts';
import type { InspectorExports } from '../../shared/engine/wasm/inspector-exports.ts';
import { bytesOf, type Layout, PrivateMemory } from '../../shared/engine/wasm/memory.ts';
import { type Reading, readingOf } from '../../shared/model/heads/head.ts';
import { headOf } from '../../shared/model/kinds.ts';
import { LANES, POSITION, type Value } from '../../shared/model/layers/emit.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { type Shape, shapeSize, vector } from '../../shared/model/shape.ts';
import { type ShownModel, shownLayers } from './shown-layers.ts';

/** What a layer made of a sample. */
export interface LayerActivation {
  /** As in the model's spec: `c1`, `s2`, … ; of the last one `output`. */
  readonly name: string;
  readonly shape: Shape;
  /** [maps][height][width], behind the layers that refine it. */
  readonly values: Float32Array;
}

/** What a model makes of one sample. */
export interface OutputTrace {
  /** [classes]: the class or the labels, or numbers. Of an RBF head squared distances: the lowest wins. */
  readonly outputs: Float32Array;
  /** [classes]: of each class, or of each label by itself; undefined if the outputs are numbers. */
  readonly probabilities: Float32Array | undefined;
  /** The class; undefined if outputs aren't classes. */
  readonly prediction: number | undefined;
  /** All classes or labels, the likeliest first, even if probabilities are too small to differ; numbers in their order. */
  readonly ranking: readonly number[];
}

/** What each layer made of one sample, and the model's outputs. */
export interface ForwardTrace extends OutputTrace {
  /** Those of `ShownModel` in order, but for one whose values the outputs are; then the outputs, called `output`. */
  readonly layers: readonly LayerActivation[];
}

/** What a model makes of many samples; see OutputTrace. */
export interface Classified {
  readonly count: number;
  /** [samples][classes] */
  readonly outputs: Float32Array;
  /** [samples][classes]; empty if the outputs are numbers. */
  readonly probabilities: Float32Array;
  /** [samples]; empty if the outputs aren't classes. */
  readonly predictions: Uint16Array;
}

export interface InspectorOptions {
  /** What samples are: bytes, which the model sees as 0..1, or floats, which it sees as they are. */
  readonly inputs?: 'uint8' | 'float32';
}

const OUTPUT = 'output';

/** Bytes of all that one model needs, at most: browsers give a page that much. */
const MAX_BYTES = 2 ** 30;

/**
 * The kernel's forward pass for people to look at: every layer, the class and its probability. Runs in memory of its own, in Node
 * and in browsers; the same weights and sample give the same bits in both, and the outputs and predictions of an evaluation.
 */
export class Inspector {
  readonly layout: ModelLayout;
  readonly shown: ShownModel;
  readonly reading: Reading;
  readonly #kernel: InspectorExports;
  readonly #buffer: ArrayBufferLike;
  readonly #parts: Parts;
  readonly #sampleSize: number;

  /**
   * @param module compiled from inspector.wasm: `compileInspector()` in Node
   * @throws MemoryError if the model needs too much memory
   */
  constructor(module: WebAssembly.Module, layout: ModelLayout, { inputs = 'uint8' }: InspectorOptions = {}) {
    this.layout = layout;
    this.shown = shownLayers(layout);
    this.reading = readingOf(headOf(layout.spec.head));
    this.#sampleSize = shapeSize(layout.input);
    const memory = new PrivateMemory(
      bytesOf((size) => void partsIn(size, layout, inputs)),
      MAX_BYTES,
    );
    this.#parts = partsIn(memory, layout, inputs);
    this.#buffer = memory.memory.buffer;
    const instance = new WebAssembly.Instance(module, { env: { memory: memory.memory } });
    this.#kernel = instance.exports as unknown as InspectorExports;
  }

  /** Copies the weights, [parameters] in flat order; they hold until the next call. */
  setWeights(weights: Float32Array): void {
    if (weights.length !== this.layout.parameters)
      throw new RangeError(`Expected ${this.layout.parameters} weights, got ${weights.length}.`);
    this.#parts.weights.set(weights);
    for (const program of this.#programs()) this.#run(program.lists.step);
  }

  /** @param sample [maps][height][width] */
  show(sample: Inputs): ForwardTrace {
    this.#load(sample, 1);
    const { evaluation } = this.#parts;
    for (const program of this.#programs()) if (program !== evaluation) this.#compute(program, 1);
    this.#compute(evaluation, 1);
    const outputs = this.#outputs(0);
    const layers = this.#hidden().map(({ name, shape, layers: members }) => {
      const last = members.at(-1)?.spec.name as string;
      return { name, shape, values: this.#valuesOf(this.#valueOf(last), 0) };
    });
    // No two layers have the name of one file or element.
    const name = layers.some((layer) => layer.name === OUTPUT) ? `${OUTPUT}s` : OUTPUT;
    const output = { name, shape: vector(outputs.outputs.length), values: outputs.outputs };
    return { ...outputs, layers: [...layers, output] };
  }

  /**
   * Outputs alone, eight samples at a time.
   * @param samples [count][maps][height][width]
   */
  classify(samples: Inputs): Classified {
    const { classes } = this.layout;
    const count = samples.length / this.#sampleSize;
    if (!Number.isInteger(count))
      throw new RangeError(`Expected samples of ${this.#sampleSize} values, got ${samples.length} in all.`);
    const outputs = new Float32Array(count * classes);
    const probabilities = new Float32Array(this.reading === 'values' ? 0 : count * classes);
    const predictions = new Uint16Array(this.reading === 'class' ? count : 0);
    for (let first = 0; first < count; first += LANES) {
      const block = Math.min(LANES, count - first);
      this.#load(samples.subarray(first * this.#sampleSize, (first + block) * this.#sampleSize), block);
      this.#compute(this.#parts.evaluation, block);
      for (let s = 0; s < block; s++) {
        outputs.set(this.#lane(this.#parts.outputs, s), (first + s) * classes);
        if (this.reading !== 'values')
          probabilities.set(this.#lane(this.#parts.probabilities, s), (first + s) * classes);
        if (this.reading === 'class') predictions[first + s] = this.#prediction(s);
      }
    }
    return { count, outputs, probabilities, predictions };
  }

  /** The layers before the outputs. An RBF head compares the last one with its targets. */
  #hidden(): ShownModel['layers'] {
    return this.#parts.targets === undefined ? this.shown.layers.slice(0, -1) : this.shown.layers;
  }

  #programs(): Set<Program> {
    return new Set([this.#parts.evaluation, this.#parts.layers]);
  }

  /** A layer's output, as an evaluation has it if it keeps it. */
  #valueOf(name: string): Value {
    const { evaluation, layers } = this.#parts;
    return (evaluation.values[name] ?? layers.values[name]) as Value;
  }

  #load(samples: Inputs, count: number): void {
    const { samples: held } = this.#parts;
    if (samples.length !== count * this.#sampleSize)
      throw new RangeError(`Expected a sample of ${this.#sampleSize} values, got ${samples.length}.`);
    if (samples instanceof Float32Array !== held instanceof Float32Array)
      throw new RangeError(
        'Expected samples of bytes or of float32s, as the inspector was made for, but got the other.',
      );
    held.set(samples);
  }

  #compute({ lists, block }: Program, count: number): void {
    new Int32Array(this.#buffer, block.indices, LANES).set(Array.from({ length: LANES }, (_, s) => s));
    new Int32Array(this.#buffer, block.labels, LANES).fill(0).fill(-1, count);
    this.#run(lists.input, count);
    this.#run(lists.evaluate, count);
    const { outputs, logits, probabilities, targets } = this.#parts;
    const { classes } = this.layout;
    if (targets !== undefined) {
      const { at, shape } = this.#parts.evaluation.output;
      this.#kernel.rbfDistances(at, targets.byteOffset, classes, shapeSize(shape), outputs, logits);
    }
    if (this.reading === 'class') this.#kernel.probabilities(logits, classes, probabilities);
    if (this.reading === 'labels') this.#kernel.labelProbabilities(logits, classes, probabilities);
  }

  #run({ at, count: operations }: OperationList, count = 0): void {
    const { weights, samples, numbers } = this.#parts;
    const pointers = [weights.byteOffset, 0, samples.byteOffset, numbers] as const;
    this.#kernel.run(at, operations, ...pointers, count, 0, false);
  }

  #outputs(sample: number): OutputTrace {
    const { outputs, logits, probabilities } = this.#parts;
    const values = this.#lane(outputs, sample);
    if (this.reading === 'values')
      return { outputs: values, probabilities: undefined, prediction: undefined, ranking: [...values.keys()] };
    const scores = this.#lane(logits, sample);
    const prediction = this.reading === 'class' ? this.#prediction(sample) : undefined;
    const ranking = [...scores.keys()].sort((a, b) => (scores[b] as number) - (scores[a] as number));
    // Distances that are equal in float32, as the head has them, may not be so here.
    if (prediction !== undefined) ranking.unshift(...ranking.splice(ranking.indexOf(prediction), 1));
    return { outputs: values, probabilities: this.#lane(probabilities, sample), prediction, ranking };
  }

  #prediction(sample: number): number {
    const { predictions } = this.#parts.evaluation.block;
    return new Int32Array(this.#buffer, predictions, LANES)[sample] as number;
  }

  /** One sample's values out of [classes][LANES]. */
  #lane(pointer: number, sample: number): Float32Array {
    const values = new Float32Array(this.#buffer, pointer, this.layout.classes * LANES);
    const lane = new Float32Array(this.layout.classes);
    for (let i = 0; i < lane.length; i++) lane[i] = values[i * LANES + sample] as number;
    return lane;
  }

  /** One sample's values [maps][height][width]. */
  #valuesOf({ at, row, plane, shape: { maps, height, width } }: Value, sample: number): Float32Array {
    const values = new Float32Array(maps * height * width);
    for (let i = 0, map = 0; map < maps; map++) {
      for (let y = 0; y < height; y++) {
        const from = new Float32Array(this.#buffer, at + map * plane + y * row, (width * POSITION) / 4);
        for (let x = 0; x < width; x++, i++) values[i] = from[x * LANES + sample] as number;
      }
    }
    return values;
  }
}

/** Programs of a model, and what they read and write. */
interface Parts {
  /** [parameters] */
  readonly weights: Float32Array;
  /** [LANES][maps][height][width] */
  readonly samples: Inputs;
  /** f32 [LANES][classes]: targets that aren't classes; zeros, since nobody asks for the loss. */
  readonly numbers: number;
  /** What an evaluation does. */
  readonly evaluation: Program;
  /** Keeps the output of every layer; the same if an evaluation does. */
  readonly layers: Program;
  /** f32 [classes][LANES]: for people; the logits unless the head has targets. */
  readonly outputs: number;
  /** f32 [classes][LANES]; of an RBF head, the negated distances relative to the nearest class. */
  readonly logits: number;
  readonly probabilities: number;
  /** f32 [classes][units]: those of an RBF head. */
  readonly targets: Float32Array | undefined;
}

function partsIn(memory: Layout, layout: ModelLayout, inputs: 'uint8' | 'float32'): Parts {
  const { classes, spec, layers } = layout;
  const size = LANES * shapeSize(layout.input);
  const head = headOf(spec.head);
  const targets = head.targets?.(spec.head).flat();
  const weights = memory.parameters(layout.parameters);
  const evaluation = planProgram(layout, { shardSize: LANES, inputs }, memory);
  const isWhole = layers.every(({ spec: { name } }) => name in evaluation.values);
  const held = targets && memory.float32(targets.length);
  held?.set(targets as number[]);
  const logits = held === undefined ? evaluation.output.at : memory.allocate(classes * POSITION);
  return {
    weights,
    evaluation,
    layers: isWhole ? evaluation : planProgram(layout, { shardSize: LANES, inputs, isFused: false }, memory),
    samples: inputs === 'uint8' ? memory.bytes(size) : memory.float32(size),
    numbers: memory.allocate(4 * LANES * classes),
    targets: held,
    logits,
    outputs: held === undefined ? logits : memory.allocate(classes * POSITION),
    probabilities: memory.allocate(classes * POSITION),
  };
}
