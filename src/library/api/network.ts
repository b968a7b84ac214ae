import { preparationOf, type SavedModel } from '../../coordinator/run/saved-model.ts';
import { Inspector, type OutputTrace } from '../../inspect/activations/inspector.ts';
import { refuseOverflow } from '../../inspect/activations/overflow.ts';
import type { FormatName } from '../../inspect/export/formats.ts';
import { weightsSha256 } from '../../shared/checkpoint/checkpoint.ts';
import { type Dataset, scalingOf } from '../../shared/data/dataset.ts';
import type { Preparation, TablePreparation } from '../../shared/data/preparation.ts';
import type { ReadingKey, ReadingOptions } from '../../shared/data/source.ts';
import { RowEncoder } from '../../shared/data/table/encode.ts';
import { compileInspector } from '../../shared/engine/wasm/exports.ts';
import type { ModelSpec } from '../../shared/model/spec.ts';
import { UsageError } from '../../shared/util/errors.ts';
import type { Print } from '../../shared/util/notice.ts';
import { callerPath } from '../../shared/util/paths.ts';
import type { BackendName } from '../../worker/pool/backend-name.ts';
import { type EvaluationReport, evaluate } from '../evaluate.ts';
import { type ExportReport, exportModel } from '../export.ts';
import { type Picture, predictPictures } from '../predict.ts';
import { type Environment, NO_ENVIRONMENT } from './environment.ts';

/** What a network makes of one sample. */
export interface Prediction {
  /** The class, from 0; undefined if the outputs aren't classes. */
  readonly class?: number;
  /** The class's name, or its number as a text. */
  readonly className?: string;
  /** Of the class, 0 to 1. */
  readonly probability?: number;
  /** Of each class, or of each label by itself, [classes]; undefined if the outputs are numbers. */
  readonly probabilities?: Float32Array;
  /** The labels that the sample is said to have, from 0; undefined if the outputs aren't labels. */
  readonly labels?: readonly number[];
  /** Numbers in the unit of the training set's targets, [outputs]; undefined if the outputs are classes or labels. */
  readonly values?: readonly number[];
  /** What the network's last layer gives, [outputs]. */
  readonly outputs: Float32Array;
}

/** A picture that couldn't be read, and why. */
export interface Unreadable {
  readonly problem: string;
}

/** A picture: its file (PNG, JPEG, WebP, GIF or TIFF), or that file's bytes. */
export type PictureInput = string | Uint8Array;

/** What a network is tried on, and how. */
export interface EvaluateNetworkOptions extends Pick<ReadingOptions, ReadingKey> {
  /** A data set, or what `data` of `train` names (default: what the network was trained on). */
  readonly data?: string | Dataset;
  /** Default: `kernel`. */
  readonly backend?: BackendName;
  readonly environment?: Environment;
  /** Called with notes about the data and the result. */
  readonly onNotice?: Print;
}

/** A trained network: the weights of one checkpoint, in memory. Nothing needs to be closed. */
export class Network {
  readonly #model: SavedModel;
  #inspector: Inspector | undefined;

  /** @internal `openRun` and `train` give runs, whose `network` makes one. */
  constructor(model: SavedModel) {
    this.#model = model;
  }

  /** The model, as `model` of `train` takes it. */
  get model(): ModelSpec {
    return this.#model.layout.spec;
  }

  /** A copy, [parameters], in the order of the spec's tensors (docs/models.md). */
  get weights(): Float32Array {
    return this.#model.weights.slice();
  }

  /** SHA-256 over the weights in little-endian order, in hex. */
  get weightsSha256(): string {
    return weightsSha256(this.#model.weights);
  }

  /** The step after which the weights were saved. */
  get step(): number {
    return this.#model.checkpoint.step;
  }

  /** The names of the classes or outputs, [classes]; undefined: they have numbers. */
  get classNames(): readonly string[] | undefined {
    return this.#model.checkpoint.classNames;
  }

  /** How the training set's samples were made, as `prepare` of lockstep/browser takes it; undefined: they were given as they are. */
  get preparation(): Preparation | undefined {
    return preparationOf(this.#model);
  }

  /**
   * What the network makes of pictures, in order.
   * @throws UsageError if one can't be read, or if no picture can be a sample of the network; PackageError if the optional package that
   * decodes pictures isn't installed
   */
  async predict(pictures: readonly PictureInput[]): Promise<Prediction[]> {
    const predictions: Prediction[] = [];
    for await (const { picture, ...found } of this.predictions(pictures)) {
      if ('problem' in found) throw new UsageError(`${picture}: ${found.problem}.`);
      predictions.push(found);
    }
    return predictions;
  }

  /**
   * The same one after the other, each with its file or its place; a picture that can't be read has a problem instead.
   * @throws UsageError, PackageError as `predict`
   */
  async *predictions(
    pictures: readonly PictureInput[],
  ): AsyncGenerator<(Prediction | Unreadable) & { readonly picture: string }> {
    const named = pictures.map((picture, i): Picture => {
      return typeof picture === 'string'
        ? { file: callerPath(picture, NO_ENVIRONMENT) }
        : { file: `picture ${i}`, bytes: picture };
    });
    for await (const { file, ...found } of predictPictures(this.#model, named)) {
      yield { picture: file, ...('problem' in found ? { problem: found.problem } : this.#predictionOf(found.trace)) };
    }
  }

  /**
   * What the network makes of a sample as it was trained on.
   * @param sample values [maps][height][width]: bytes if it was trained on bytes, else floats
   * @throws UsageError if it has another type or number of values; CheckpointError if sums overflow
   */
  predictSample(sample: Uint8Array | Float32Array): Prediction {
    const { layout, checkpoint } = this.#model;
    const expected = checkpoint.inputs === undefined ? Uint8Array : Float32Array;
    const { maps, height, width } = layout.input;
    if (!(sample instanceof expected) || sample.length !== maps * height * width) {
      throw new UsageError(
        `Expected a sample as a ${expected.name} of ${maps * height * width} values (${maps}x${height}x${width}), ` +
          `but got a ${sample.constructor.name} of ${sample.length}.`,
      );
    }
    return this.#predictionOf(this.#show(sample));
  }

  /**
   * What the network makes of a table's row.
   * @param row values by the names of the columns; further ones are passed over, a missing one or an empty text counts as no value
   * @throws UsageError if the network wasn't trained on a table, or a value can't be used
   */
  predictRow(row: Readonly<Record<string, string | number | null | undefined>>): Prediction {
    const preparation = this.#tablePreparation();
    const encoder = new RowEncoder(preparation.columns);
    const sample = new Float32Array(encoder.features);
    const problem = encoder.encode(
      preparation.columns.map(({ name }) => `${row[name] ?? ''}`),
      sample,
    );
    if (problem !== undefined) throw new UsageError(`${problem}.`);
    return this.predictSample(sample);
  }

  /**
   * Tries the test set.
   * @throws DatasetError if the data set can't be found or used, BackendError if the backend can't be used
   */
  evaluate(options: EvaluateNetworkOptions = {}): Promise<EvaluationReport> {
    const {
      data,
      backend = 'kernel',
      environment: env = NO_ENVIRONMENT,
      onNotice: print = () => {},
      ...reading
    } = options;
    return evaluate(this.#model, { data, reading, backend, env, print });
  }

  /**
   * Writes the network for another program (docs/export.md).
   * @param out a file, or of some formats a folder; an earlier export there is replaced
   * @throws UsageError if it can't be written, or something else is there; CheckpointError if the weights aren't finite
   */
  export(format: FormatName, out: string): Promise<ExportReport> {
    return exportModel(this.#model, format, callerPath(out, NO_ENVIRONMENT));
  }

  #tablePreparation(): TablePreparation {
    const preparation: Preparation | undefined = this.#model.checkpoint.preparation;
    if (preparation?.kind === 'table') return preparation;
    throw new UsageError(`${this.model.name} wasn't trained on a table. Use predict for pictures, or predictSample.`);
  }

  #show(sample: Uint8Array | Float32Array): OutputTrace {
    const { layout, weights, checkpoint } = this.#model;
    if (this.#inspector === undefined) {
      this.#inspector = new Inspector(compileInspector(), layout, { inputs: checkpoint.inputs ?? 'uint8' });
      this.#inspector.setWeights(weights);
    }
    const trace = this.#inspector.show(sample);
    refuseOverflow([trace.probabilities ?? trace.outputs], checkpoint.file);
    return trace;
  }

  #predictionOf({ outputs, probabilities, prediction }: OutputTrace): Prediction {
    if (probabilities === undefined) return { outputs, values: this.#unscaled(outputs) };
    if (prediction === undefined) {
      return { outputs, probabilities, labels: [...outputs.keys()].filter((k) => (outputs[k] as number) > 0) };
    }
    const className = this.classNames?.[prediction] ?? `${prediction}`;
    return { class: prediction, className, probability: probabilities[prediction] as number, probabilities, outputs };
  }

  #unscaled(outputs: Float32Array): readonly number[] {
    const scaling = scalingOf(this.#model.checkpoint);
    return scaling === undefined ? [...outputs] : [...outputs].map((value) => value * scaling.deviation + scaling.mean);
  }
}
