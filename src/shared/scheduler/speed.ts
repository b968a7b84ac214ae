/**
 * Weight of the newest measurement in a speed, once there are 1 / SPEED_GAIN of them; before, the speed is their mean, because
 * the first ones of a new worker are slow and tell little. Speeds are averaged, not times: an attempt that was disturbed for
 * ten times as long changes a speed by 9 %, which moves no shard between two equal workers.
 */
const SPEED_GAIN = 0.1;
/** Weight of the newest measurement in an overhead: whatever disturbs a message makes it longer, so shorter ones count more. */
const OVERHEAD_GAIN = { longer: 0.1, shorter: 0.4 } as const;
/** Milliseconds that the clock can't tell apart. */
const MIN_MS = 0.001;

/** What work costs on a worker or machine, in milliseconds or any other common unit of time. */
export interface Cost {
  /** Each shard or chunk, above 0. */
  readonly shard: number;
  /** Any shards at all: weights and gradients on their way. */
  readonly overhead: number;
}

/** How fast one worker or member is at one kind of work, from what its attempts took. */
export class SpeedEstimate {
  /** Attempts so far. */
  measurements = 0;
  /** Shards or chunks per millisecond of computing. */
  #speed = 0;
  #overheadMs = 0;

  /** @param computeMs the part of `totalMs` that was spent on the units */
  measure(units: number, computeMs: number, totalMs = computeMs): void {
    const speed = units / Math.max(MIN_MS, computeMs);
    const overheadMs = Math.max(0, totalMs - computeMs);
    this.measurements++;
    this.#speed += Math.max(SPEED_GAIN, 1 / this.measurements) * (speed - this.#speed);
    const change = overheadMs - this.#overheadMs;
    const gain = change > 0 ? OVERHEAD_GAIN.longer : OVERHEAD_GAIN.shorter;
    this.#overheadMs += (this.measurements === 1 ? 1 : gain) * change;
  }

  /** It is unknown again. */
  forget(): void {
    this.measurements = 0;
    this.#speed = 0;
    this.#overheadMs = 0;
  }

  /** Undefined until measured. */
  get cost(): Cost | undefined {
    return this.measurements === 0 ? undefined : { shard: 1 / this.#speed, overhead: this.#overheadMs };
  }

  /** Undefined until measured. */
  expectedMs(units: number): number | undefined {
    return this.measurements === 0 ? undefined : this.#overheadMs + units / this.#speed;
  }
}

/** Each one's cost; what hasn't been measured `minMeasurements` times costs the average of a thread. */
export function costsOf(
  estimates: readonly { readonly estimate: SpeedEstimate; readonly threads: number }[],
  minMeasurements: number,
): readonly Cost[] {
  let [known, shard, overhead] = [0, 0, 0];
  const costs = estimates.map(({ estimate }) => (estimate.measurements < minMeasurements ? undefined : estimate.cost));
  for (const [i, { threads }] of estimates.entries()) {
    const cost = costs[i];
    if (cost === undefined) continue;
    known++;
    shard += cost.shard * threads;
    overhead += cost.overhead;
  }
  const average = known === 0 ? { shard: 1, overhead: 0 } : { shard: shard / known, overhead: overhead / known };
  return estimates.map(({ threads }, i) => costs[i] ?? { shard: average.shard / threads, overhead: average.overhead });
}
