/** Pixels that touch each other, also at their corners. */
export interface Component {
  /** The sum of their values. */
  readonly mass: number;
  readonly left: number;
  readonly top: number;
  /** Behind the last column and row. */
  readonly right: number;
  readonly bottom: number;
  /** The farthest that one of them is from the nearest edge of the picture, 1 at the edge. */
  readonly depth: number;
}

type Growing = { -readonly [K in keyof Component]: Component[K] };

/** A row's pixels from `start` to before `end`. */
interface Run {
  readonly start: number;
  readonly end: number;
  readonly component: number;
}

/**
 * The components of the pixels of at least `threshold`; undefined if more than `max` begin, of which some may turn out to be one.
 * @param data [height][width]
 */
export function componentsOf(
  { width, height, data }: { readonly width: number; readonly height: number; readonly data: Uint8Array },
  { threshold, max }: { readonly threshold: number; readonly max: number },
): readonly Component[] | undefined {
  const forest = new Forest();
  let above: Run[] = [];
  for (let y = 0; y < height; y++) {
    const runs: Run[] = [];
    let over = 0;
    for (let x = 0; x < width; x++) {
      if ((data[y * width + x] as number) < threshold) continue;
      const start = x;
      let mass = 0;
      for (; x < width && (data[y * width + x] as number) >= threshold; x++) mass += data[y * width + x] as number;
      const depth = Math.min(y + 1, height - y, deepest(start, x, width));
      const run = { mass, left: start, top: y, right: x, bottom: y + 1, depth };
      while (over < above.length && (above[over] as Run).end < start) over++;
      let component: number | undefined;
      for (let i = over; i < above.length && (above[i] as Run).start <= x; i++) {
        const upper = (above[i] as Run).component;
        component = component === undefined ? forest.grow(upper, run) : forest.join(component, upper);
      }
      runs.push({ start, end: x, component: component ?? forest.add(run) });
    }
    if (forest.size > max) return undefined;
    above = runs;
  }
  return forest.roots();
}

/** The farthest that a pixel of a row's run is from the left or right edge, whichever is nearer. */
function deepest(start: number, end: number, width: number): number {
  const middle = Math.min(Math.max(Math.floor((width - 1) / 2), start), end - 1);
  return Math.min(middle + 1, width - middle);
}

/** Components that grow together (union-find). */
class Forest {
  readonly #parents: number[] = [];
  readonly #components: Growing[] = [];

  /** All that were added, joined or not. */
  get size(): number {
    return this.#parents.length;
  }

  add(component: Growing): number {
    this.#components.push(component);
    return this.#parents.push(this.#parents.length) - 1;
  }

  /** @returns the component with what was added to it */
  grow(component: number, more: Component): number {
    const root = this.#root(component);
    const into = this.#components[root] as Growing;
    into.mass += more.mass;
    into.left = Math.min(into.left, more.left);
    into.top = Math.min(into.top, more.top);
    into.right = Math.max(into.right, more.right);
    into.bottom = Math.max(into.bottom, more.bottom);
    into.depth = Math.max(into.depth, more.depth);
    return root;
  }

  /** @returns the component that both are now */
  join(one: number, other: number): number {
    const [a, b] = [this.#root(one), this.#root(other)];
    if (a === b) return a;
    this.#parents[b] = a;
    return this.grow(a, this.#components[b] as Growing);
  }

  roots(): Component[] {
    return this.#components.filter((_, i) => this.#parents[i] === i);
  }

  #root(of: number): number {
    let root = of;
    while (this.#parents[root] !== root) root = this.#parents[root] as number;
    // What is found once is found at once the next time.
    for (let i = of; i !== root; ) {
      const next = this.#parents[i] as number;
      this.#parents[i] = root;
      i = next;
    }
    return root;
  }
}
