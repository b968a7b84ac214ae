import { kindOf } from '../../model/kinds.ts';
import { geometry, type Value } from '../../model/layers/emit.ts';
import type { Needs } from '../../model/layers/layer.ts';
import type { LayerLayout } from '../../model/layers/placed-layer.ts';
import type { ModelLayout } from '../../model/layout.ts';
import { type Border, NO_BORDER, type Shape } from '../../model/shape.ts';
import type { Layout } from '../wasm/memory.ts';

/** Bytes. */
const CACHE_LINE = 64;
/** Planes of so many bytes, or a multiple, would lay one position of all maps on few lines of the first-level cache. */
const CACHE_WAY = 1024;

/** Where a model's values and their deltas are. */
export class Storage {
  /** By place; the model's input has place -1. */
  readonly #layers: readonly LayerLayout[];
  readonly #input: Shape;
  readonly #memory: Layout;
  readonly #needs: readonly Needs[];
  /** Per place, from -1: the layers that read its output. */
  readonly #readers: readonly (readonly number[])[];
  readonly #values = new Map<number, Value>();
  readonly #deltas = new Map<number, Value>();
  readonly #free = new Map<string, Value[]>();

  constructor({ layers, input }: ModelLayout, memory: Layout) {
    this.#layers = layers;
    this.#input = input;
    this.#memory = memory;
    this.#needs = layers.map((layer) => kindOf(layer.spec).needs?.(layer) ?? {});
    this.#readers = [-1, ...layers.keys()].map((place) =>
      layers.filter(({ sources }) => sources.includes(place)).map((layer) => layer.place),
    );
  }

  isRead(place: number): boolean {
    return this.readersOf(place).length > 0;
  }

  readersOf(place: number): readonly number[] {
    return this.#readers[place + 1] as readonly number[];
  }

  /** The output of a layer, which may share its memory with the input that it overwrites. */
  value(place: number): Value {
    const root = this.#rootOf(place);
    const known = this.#values.get(root);
    if (known !== undefined) return known;
    const value = this.#allocate(this.#shapeOf(root), this.#borderOf(root));
    this.#values.set(root, value);
    return value;
  }

  /** The delta of a layer's output; taken when it is first asked for. */
  delta(place: number): Value {
    const root = this.#deltaRootOf(place);
    const known = this.#deltas.get(root);
    if (known !== undefined) return known;
    const [shape, border] = [this.#shapeOf(root), this.#needs[root]?.deltaBorder ?? NO_BORDER];
    const delta = this.#free.get(keyOf(shape, border))?.pop() ?? this.#allocate(shape, border);
    this.#deltas.set(root, delta);
    return delta;
  }

  hasDelta(place: number): boolean {
    return this.#deltas.has(this.#deltaRootOf(place));
  }

  /** Whether a layer writes its input's delta over its output's. */
  sharesDelta(source: number, place: number): boolean {
    return this.#deltaRootOf(source) === this.#deltaRootOf(place);
  }

  /** The layer's delta has been used: others may have its memory, unless the layer's input has it. */
  release(place: number): void {
    const delta = this.#deltas.get(place);
    if (delta === undefined) return;
    this.#deltas.delete(place);
    // Only a value of the same shape and border may have it, since nothing clears a border.
    const key = keyOf(delta.shape, delta.border);
    this.#free.set(key, [...(this.#free.get(key) ?? []), delta]);
  }

  /** The place of the value whose memory a layer's output has. */
  #rootOf(place: number): number {
    const source = this.#overwritten(place);
    return source === undefined || this.#needs[source]?.keepsOutput === true ? place : this.#rootOf(source);
  }

  #deltaRootOf(place: number): number {
    const source = this.#overwritten(place);
    return source === undefined ? place : this.#deltaRootOf(source);
  }

  /** The place whose only reader works in place; undefined if there is none. */
  #overwritten(place: number): number | undefined {
    const source = this.#layers[place]?.sources[0] ?? -1;
    const isAlone = source >= 0 && this.readersOf(source).length === 1 && this.#layers[place]?.sources.length === 1;
    return isAlone && this.#needs[place]?.inPlace === true ? source : undefined;
  }

  #shapeOf(place: number): Shape {
    return place === -1 ? this.#input : (this.#layers[place] as LayerLayout).output;
  }

  /** The widest border that any reader of the values in a place's memory needs. */
  #borderOf(root: number): Border {
    const members = [-1, ...this.#layers.keys()].filter((place) => this.#rootOf(place) === root);
    const borders = members.flatMap((place) =>
      this.readersOf(place).map((reader) => this.#needs[reader]?.border ?? NO_BORDER),
    );
    const widest = (side: keyof Border): number => Math.max(0, ...borders.map((border) => border[side]));
    return { top: widest('top'), left: widest('left'), bottom: widest('bottom'), right: widest('right') };
  }

  #allocate(shape: Shape, border: Border): Value {
    const { row, plane: packed, inside } = geometry(shape, border);
    const plane = packed % CACHE_WAY === 0 ? packed + CACHE_LINE : packed;
    return { shape, border, row, plane, at: this.#memory.allocate(shape.maps * plane) + inside };
  }
}

function keyOf({ maps, height, width }: Shape, { top, left, bottom, right }: Border): string {
  return [maps, height, width, top, left, bottom, right].join();
}
