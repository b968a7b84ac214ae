import type { KerasEmitter, KerasWeight } from '../../shared/model/formats/keras.ts';
import { Names } from '../../shared/model/formats/names.ts';

interface KerasLayer {
  readonly className: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly config: Readonly<Record<string, unknown>>;
}

/** The layers of a Keras model, in the order in which they are added. */
export class KerasModel implements KerasEmitter {
  readonly #layers: KerasLayer[];
  readonly #weights: KerasWeight[];
  readonly #names: Names;
  readonly #scope: string;

  constructor(names = new Names([]), scope = '', layers: KerasLayer[] = [], weights: KerasWeight[] = []) {
    this.#names = names;
    this.#scope = scope;
    this.#layers = layers;
    this.#weights = weights;
  }

  /** Adds to the same model, below a layer's name. */
  within(layer: string): KerasModel {
    return new KerasModel(this.#names, layer, this.#layers, this.#weights);
  }

  add(
    part: string,
    className: string,
    inputs: readonly string[],
    config: Readonly<Record<string, unknown>> = {},
    weights: readonly KerasWeight[] = [],
  ): string {
    const parts = [this.#scope, part].filter((each) => each !== '').join('_');
    // TensorFlow.js takes no name that begins with an underscore.
    const name = this.#names.unused(parts.startsWith('_') ? `layer${parts}` : parts);
    this.#layers.push({ className, name, inputs, config });
    for (const weight of weights) this.#weights.push({ ...weight, name: `${name}/${weight.name}` });
    return name;
  }

  /** In the order of the layers; a name is the layer's, then the weight's in it. */
  get weights(): readonly KerasWeight[] {
    return this.#weights;
  }

  /** The model's JSON. */
  topology(name: string, input: string, output: string): Readonly<Record<string, unknown>> {
    const layers = this.#layers.map(({ className, name: own, inputs, config }) => ({
      class_name: className,
      name: own,
      config: { trainable: true, dtype: 'float32', ...config, name: own },
      inbound_nodes: inputs.length === 0 ? [] : [inputs.map((each) => [each, 0, 0, {}])],
    }));
    const config = { name, layers, input_layers: [[input, 0, 0]], output_layers: [[output, 0, 0]] };
    return { class_name: 'Functional', config, keras_version: '2.3.0', backend: 'tensorflow' };
  }
}
