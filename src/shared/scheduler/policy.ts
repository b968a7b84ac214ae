/** When an attempt is slow, so that others are given the same shards. */
export interface RetryPolicy {
  /** An attempt is slow after so many times its expected time, */
  readonly slowFactor: number;
  /** and never before so many milliseconds. */
  readonly slowMinimumMs: number;
}

/**
 * Threads of this process. They share its processors with whatever else runs there, and giving one up breaks off the steps
 * that all of them are at, so it takes much: ten times the expected time, and more than a busy machine's scheduler delays.
 */
export const POOL_POLICY: RetryPolicy = { slowFactor: 10, slowMinimumMs: 250 };

/**
 * Members of a cluster. Giving one up only has the same shards computed twice, by members that would wait otherwise, so it
 * takes less; 100 ms are more than a usual network's round trip.
 */
export const CLUSTER_POLICY: RetryPolicy = { slowFactor: 4, slowMinimumMs: 100 };

/**
 * Milliseconds after which an attempt is slow if nothing is known of the speed: a first attempt includes compiling the kernel
 * or loading native TensorFlow.
 */
export const UNMEASURED_LIMIT_MS = 10_000;

/**
 * Tries of one shard, one chunk of the test set or one thread's start. A crash is no fault of the work that it hits, so one
 * retry isn't enough; work that fails five times would fail for ever.
 */
export const MAX_ATTEMPTS = 5;

/**
 * Failed tries in one update, all of its blocks together. More than MAX_ATTEMPTS: each of the threads that die at the same
 * time counts.
 */
export const MAX_UPDATE_FAILURES = 20;

/**
 * A thread hangs, and is ended, after so many times the time after which it is slow, and never before so many milliseconds:
 * its work has gone to others by then, so there is no hurry.
 */
export const HUNG_FACTOR = 10;
export const HUNG_MINIMUM_MS = 30_000;

/**
 * Milliseconds for which a thread may be slow in an update before it is ended. Others can't take its blocks over while it may
 * still write, so the whole step waits; a slice of an update takes far less than a millisecond.
 */
export const UPDATE_HUNG_MS = 2000;

/**
 * Measurements before the speed of a new worker or member is taken as known. The first ones include compiling; a single one of
 * a thread that was just displaced would leave it without any work.
 */
export const FIRST_MEASUREMENTS = 4;

/**
 * Milliseconds after which a worker or member that gets no work, because it was measured to be slow, is given some all the
 * same: it may have become faster, and without work nobody would ever know.
 */
export const PROBE_MS = 1000;

/** Milliseconds between two looks at open work: well below the shortest time after which anything is slow. */
export const WATCHDOG_MS = 100;
