// A thread that holds a frozen network and computes features.
import { workerData } from 'node:worker_threads';
import { MAX_SIDE } from '../../shared/data/limits.ts';
import type { Normalization } from '../../shared/data/preparation.ts';
import { type Shape, sameShape, shapeSize } from '../../shared/model/shape.ts';
import { pixelsOf } from '../../shared/pictures/pixels.ts';
import { DEFAULT_RESIZE, sampleOf } from '../../shared/pictures/resize.ts';
import type { FrozenNetwork } from './network.ts';
import { loadRuntime, type Runtime, type RuntimeTensor, type Session } from './runtime.ts';

/** What each thread is given as it starts. */
export interface ThreadData {
  readonly network: Pick<FrozenNetwork, 'input' | 'layer' | 'model'>;
  readonly normalization: Normalization;
}

export interface FeatureTask {
  /** [count][maps][height][width] */
  readonly samples: Uint8Array;
  readonly shape: Shape & { readonly maps: 1 | 3 };
}

/** [count][features], or why there are none. */
export type FeatureResult = { readonly features: readonly Float32Array[] } | { readonly problem: string };

class Extractor {
  readonly #runtime: Runtime;
  readonly #session: Session;
  readonly #data: ThreadData;
  /** [channel][byte] as the network sees it. */
  readonly #values: readonly Float32Array[];

  private constructor(runtime: Runtime, session: Session, data: ThreadData) {
    this.#runtime = runtime;
    this.#session = session;
    this.#data = data;
    const { mean, deviation } = data.normalization;
    this.#values = mean.map((m, c) => {
      return Float32Array.from({ length: 256 }, (_, byte) => (byte / 255 - m) / (deviation[c] as number));
    });
  }

  static async open(data: ThreadData): Promise<Extractor> {
    const runtime = await loadRuntime();
    const session = await runtime.InferenceSession.create(data.network.model, { executionProviders: ['wasm'] });
    return new Extractor(runtime, session, data);
  }

  /**
   * Of one picture. Each is computed by itself, in the first place of a fixed batch: others beside it could change the order of sums.
   * @param sample of the network's input size
   */
  async features(sample: Uint8Array): Promise<Float32Array> {
    const { input, layer } = this.#data.network;
    const tensor = new this.#runtime.Tensor('float32', this.#inputOf(sample), dimensionsOf(input));
    const { [layer]: output } = await this.#session.run({ [input.name]: tensor }, [layer]);
    return firstOf(output, input.batch);
  }

  #inputOf(sample: Uint8Array): Float32Array {
    const { batch, shape, isChannelsLast } = this.#data.network.input;
    const area = shape.height * shape.width;
    const values = new Float32Array(batch * shapeSize(shape));
    for (let map = 0; map < shape.maps; map++) {
      const own = this.#values[map] as Float32Array;
      for (let p = 0; p < area; p++) {
        const place = isChannelsLast ? p * shape.maps + map : map * area + p;
        values[place] = own[sample[map * area + p] as number] as number;
      }
    }
    return values;
  }
}

function dimensionsOf({ batch, shape, isChannelsLast }: FrozenNetwork['input']): readonly number[] {
  const { maps, height, width } = shape;
  return isChannelsLast ? [batch, height, width, maps] : [batch, maps, height, width];
}

/** The first of a batch's outputs, whatever its shape is, as one list. */
function firstOf(output: RuntimeTensor | undefined, batch: number): Float32Array {
  const { type = 'nothing', dims = [], data } = output ?? {};
  if (!(data instanceof Float32Array)) throw new Error(`they are ${type}; expected float32`);
  const features = data.length / batch;
  if (dims[0] !== batch || features < 1)
    throw new Error(
      `they are ${dims.join('x')} for ${batch === 1 ? 'one picture' : `${batch} pictures`}; expected some of each`,
    );
  if (features > MAX_SIDE)
    throw new Error(
      `there are ${features} of a picture; ${MAX_SIDE} are the most: name a layer behind a pooling by --layer`,
    );
  return data.slice(0, features);
}

let extractor: Promise<Extractor> | undefined;

export async function featuresOf({ samples, shape }: FeatureTask): Promise<FeatureResult> {
  const data = workerData as ThreadData;
  const { input } = data.network;
  try {
    extractor ??= Extractor.open(data);
    const own = await extractor;
    const size = shapeSize(shape);
    const features: Float32Array[] = [];
    for (let at = 0; at < samples.length; at += size) {
      const sample = samples.subarray(at, at + size);
      const isOwn = sameShape(shape, input.shape);
      features.push(
        await own.features(isOwn ? sample : sampleOf(pixelsOf(sample, shape), input.shape, DEFAULT_RESIZE)),
      );
    }
    return { features };
  } catch (error) {
    // What WebAssembly throws may be a number.
    return { problem: problemOf(error instanceof Error ? error.message : String(error)) };
  }
}

/** A runtime's message without the place in its source. */
function problemOf(message: string): string {
  return message
    .replace(/^.*?ERROR_MESSAGE: (?:\S+\.(?:cc|h):\d+ \S.*?\) )?/s, '')
    .slice(0, 300)
    .trim();
}
