import { ForwardPass } from '../../shared/engine/wasm/forward.ts';
import type { InspectorExports } from '../../shared/engine/wasm/inspector-exports.ts';
import { type ConvPlan, LANES } from '../../shared/engine/wasm/layer-plans.ts';
import { PrivateMemory } from '../../shared/engine/wasm/memory.ts';
import { type KernelPlan, planKernel } from '../../shared/engine/wasm/plan.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { type Shape, shapeSize } from '../../shared/model/shape.ts';

/** What a layer made of an image. */
export interface LayerActivation {
  /** As in the model's spec: `c1`, `s2`, … `output`. */
  readonly name: string;
  readonly shape: Shape;
  /**
   * [maps][height][width], after the activation if the layer has one. A convolution has the sums before its subsampling, the
   * head its logits (softmax) or squared distances (RBF: the lowest wins).
   */
  readonly values: Float32Array;
}

/** What each layer made of one image, and the prediction. */
export interface ForwardTrace {
  /** In the layout's order. */
  readonly layers: readonly LayerActivation[];
  /** [classes] */
  readonly probabilities: Float32Array;
  readonly prediction: number;
  /** All classes, the likeliest first, even if probabilities are too small to differ. */
  readonly ranking: readonly number[];
}

export interface Classified {
  /** [images][classes]: the head's logits (softmax) or squared distances (RBF). */
  readonly outputs: Float32Array;
  /** [images][classes] */
  readonly probabilities: Float32Array;
  /** [images] */
  readonly predictions: Uint8Array;
}

const BLOCK = 4 * LANES;

/**
 * The kernel's forward pass for people to look at: every layer, the maps of the convolutions included, and class probabilities. Runs in
 * memory of its own, in Node and in browsers; the same weights and image give the same bits in both, and the predictions of an evaluation.
 */
export class Inspector {
  readonly layout: ModelLayout;
  readonly #kernel: InspectorExports;
  readonly #plan: KernelPlan;
  readonly #pass: ForwardPass;
  readonly #buffer: ArrayBufferLike;
  readonly #weights: Float32Array;
  /** Bytes [LANES][height][width]. */
  readonly #images: Uint8Array;
  /** f32 [side][side][LANES], the first convolution's input. */
  readonly #pixels: number;
  /** Per convolution, f32 [maps][height][width][LANES]. */
  readonly #maps: readonly number[];
  /** f32 [classes][LANES]; for an RBF head, the negated distances relative to the nearest class. */
  readonly #logits: number;
  readonly #probabilities: number;

  /** @param module compiled from inspector.wasm: `compileInspector()` in Node */
  constructor(module: WebAssembly.Module, layout: ModelLayout) {
    const memory = new PrivateMemory();
    this.layout = layout;
    this.#plan = planKernel(layout, LANES, memory);
    this.#weights = memory.parameters(layout.parameters);
    this.#images = memory.bytes(LANES * this.#plan.input.height * this.#plan.input.width);
    this.#pixels = memory.allocate(this.#plan.input.side ** 2 * BLOCK);
    const convs = layout.layers.filter(({ spec }) => spec.kind === 'conv');
    this.#maps = convs.map(({ output }) => memory.allocate(shapeSize(output) * BLOCK));
    const { head } = this.#plan;
    this.#logits = head.kind === 'softmax' ? head.logits : memory.allocate(head.classes * BLOCK);
    this.#probabilities = memory.allocate(head.classes * BLOCK);
    this.#buffer = memory.memory.buffer;
    const instance = new WebAssembly.Instance(module, { env: { memory: memory.memory } });
    this.#kernel = instance.exports as unknown as InspectorExports;
    this.#pass = new ForwardPass(this.#kernel, this.#plan);
    const { indices, shifts } = this.#plan.input;
    new Int32Array(this.#buffer, indices, LANES).set(Array.from({ length: LANES }, (_, s) => s));
    new Int8Array(this.#buffer, shifts, 2 * LANES).fill(0);
  }

  /** Copies the weights, [parameters] in flat order; they hold until the next call. */
  setWeights(weights: Float32Array): void {
    if (weights.length !== this.layout.parameters) {
      throw new RangeError(`Expected ${this.layout.parameters} weights, got ${weights.length}.`);
    }
    this.#weights.set(weights);
    this.#pass.setWeights(this.#weights.byteOffset);
  }

  /** @param image bytes [height][width], light ink on 0 */
  show(image: Uint8Array): ForwardTrace {
    this.#run(image, 1);
    const { input, convs } = this.#plan;
    this.#kernel.spreadPixels(input.scratch, input.stride, input.side, this.#pixels);
    for (const [i, conv] of convs.entries()) this.#convMaps(conv, convs[i - 1]?.out ?? this.#pixels, i);
    const places = this.#places();
    const layers = this.layout.layers.map(({ spec, output }, layer) => ({
      name: spec.name,
      shape: output,
      values: this.#lane(places[layer] as number, shapeSize(output), 0),
    }));
    const probabilities = this.#lane(this.#probabilities, this.#plan.head.classes, 0);
    return { layers, probabilities, prediction: this.#prediction(0), ranking: this.#ranking(0) };
  }

  /**
   * Classes alone, eight images at a time.
   * @param images bytes [images][height][width]
   */
  classify(images: Uint8Array): Classified {
    const bytes = this.#images.length / LANES;
    const { classes } = this.#plan.head;
    const count = images.length / bytes;
    if (!Number.isInteger(count))
      throw new RangeError(`Expected images of ${bytes} bytes, got ${images.length} in all.`);
    const output = this.#places().at(-1) as number;
    const outputs = new Float32Array(count * classes);
    const probabilities = new Float32Array(count * classes);
    const predictions = new Uint8Array(count);
    for (let first = 0; first < count; first += LANES) {
      const block = Math.min(LANES, count - first);
      this.#run(images.subarray(first * bytes, (first + block) * bytes), block);
      for (let s = 0; s < block; s++) {
        outputs.set(this.#lane(output, classes, s), (first + s) * classes);
        probabilities.set(this.#lane(this.#probabilities, classes, s), (first + s) * classes);
        predictions[first + s] = this.#prediction(s);
      }
    }
    return { outputs, probabilities, predictions };
  }

  #run(images: Uint8Array, count: number): void {
    if (images.length * LANES !== this.#images.length * count) {
      throw new RangeError(`Expected an image of ${this.#images.length / LANES} bytes, got ${images.length}.`);
    }
    this.#images.set(images);
    this.#pass.run(this.#images.byteOffset, count);
    const { head } = this.#plan;
    if (head.kind === 'rbf') {
      this.#kernel.rbfDistances(head.x, head.targets, head.classes, head.units, head.distances, this.#logits);
    }
    this.#kernel.probabilities(this.#logits, head.classes, this.#probabilities);
  }

  #convMaps(conv: ConvPlan, x: number, index: number): void {
    const weights = this.#weights.byteOffset;
    this.#kernel.convMaps(
      x,
      conv.inputHeight,
      conv.inputWidth,
      conv.starts,
      conv.inputs,
      weights + conv.weightOffset,
      weights + conv.biasOffset,
      conv.size,
      conv.maps,
      this.#maps[index] as number,
    );
  }

  /** Pointers to the values of each layer of the layout. */
  #places(): number[] {
    const { convs, denses, head } = this.#plan;
    return [
      ...convs.flatMap(({ out }, i) => [this.#maps[i] as number, out]),
      ...denses.map(({ out }) => out),
      ...(head.kind === 'rbf' ? [head.distances] : []),
    ];
  }

  /** One sample's values out of [length][LANES]. */
  #lane(pointer: number, length: number, sample: number): Float32Array {
    const values = new Float32Array(this.#buffer, pointer, length * LANES);
    return Float32Array.from({ length }, (_, i) => values[i * LANES + sample] as number);
  }

  /** The first class of the largest logit, as in the kernel's heads. */
  #prediction(sample: number): number {
    const logits = this.#lane(this.#logits, this.#plan.head.classes, sample);
    return logits.reduce((best, logit, k) => (logit > (logits[best] as number) ? k : best), 0);
  }

  /** Classes by their logits, the lower class first among equals, as in `#prediction`. */
  #ranking(sample: number): number[] {
    const logits = this.#lane(this.#logits, this.#plan.head.classes, sample);
    return [...logits.keys()].sort((a, b) => (logits[b] as number) - (logits[a] as number));
  }
}
