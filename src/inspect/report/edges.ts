import { type Html, html } from './html.ts';

/** A connection between places that aren't next to each other, on a level below them. */
export interface Detour {
  readonly from: number;
  readonly to: number;
  readonly level: number;
}

/** What a row of places is connected by: the input has place 0, and the shown layers follow. */
export interface Edges {
  /** The places that read the one before them. */
  readonly next: ReadonlySet<number>;
  readonly detours: readonly Detour[];
  readonly levels: number;
}

/** SVG units from one level to the next. */
export const LEVEL = 12;
/** Where detours begin and end, beside the middle of their places. */
const BESIDE = 6;

/** @param sources per shown layer, the shown layers that it reads; -1 is the input */
export function edgesOf(sources: readonly (readonly number[])[]): Edges {
  const pairs = sources.flatMap((from, i) => from.map((source) => ({ from: source + 1, to: i + 1 })));
  const detours: Detour[] = [];
  // The shortest first, so that the others go around them.
  const far = pairs.filter(({ from, to }) => to - from > 1).sort((a, b) => a.to - a.from - (b.to - b.from));
  for (const pair of far) {
    const crossed = detours.filter(({ from, to }) => from < pair.to && pair.from < to);
    const taken = new Set(crossed.map(({ level }) => level));
    let level = 0;
    while (taken.has(level)) level++;
    detours.push({ ...pair, level });
  }
  const next = new Set(pairs.filter(({ from, to }) => to - from === 1).map(({ to }) => to));
  return { next, detours, levels: Math.max(0, ...detours.map(({ level }) => level + 1)) };
}

/** SVG paths of the detours. @param middle the x of a place; `top` where the places end */
export function detourPaths({ detours }: Edges, middle: (place: number) => number, top: number): Html[] {
  return detours.map(({ from, to, level }) => {
    const [x, end, down] = [middle(from) + BESIDE, middle(to) - BESIDE, (level + 1) * LEVEL];
    return html`<path class="arrow" d="M${x.toFixed(1)} ${top}v${down}H${end.toFixed(1)}v-${down}m-4 5l4 -5l4 5"/>`;
  });
}
