/** When the last step of each bucket was done. */
export interface Times {
  /** In Unix milliseconds; null if the log doesn't say. */
  readonly wall: (number | null)[];
  /** In seconds of training: the time in steps, without evaluations, checkpoints and pauses between attempts. */
  readonly elapsed: number[];
}

/** Timestamps are whole milliseconds, which steps may share. */
const RESOLUTION_SECONDS = 0.001;

/**
 * Seconds of training after a step: it took no longer than the time since the step before, with which it may have overlapped.
 * @param steps since the one before: those that a log leaves out took as long as this one
 */
export function elapsedAfter(
  times: Times | undefined,
  { at, seconds }: { readonly at: number | null; readonly seconds: number | null },
  steps: number,
): number {
  const [wall, elapsed] = [times?.wall.at(-1), times?.elapsed.at(-1) ?? 0];
  const since =
    typeof wall === 'number' && at !== null
      ? Math.max(RESOLUTION_SECONDS, (at - wall) / 1000)
      : Number.POSITIVE_INFINITY;
  return elapsed + Math.max(0, Math.min((seconds ?? 0) * steps, since));
}

/** The first of `end` indices for which `isFrom` is true, as it is for all that follow; `end` if there is none. */
export function firstIndex(end: number, isFrom: (index: number) => boolean): number {
  let [low, high] = [0, Math.max(0, end)];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isFrom(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

export function setTime(times: Times | undefined, at: number, wall: number | null, elapsed: number): void {
  if (times === undefined) return;
  times.wall[at] = wall;
  times.elapsed[at] = elapsed;
}

/** The same with whole milliseconds. */
export function rounded({ wall, elapsed }: Times): Times {
  return { wall, elapsed: elapsed.map((seconds) => Math.round(1e3 * seconds) / 1e3) };
}
