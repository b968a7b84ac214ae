// The ways of getting native TensorFlow, in the order in which they are tried.

/** The wheel's bytes are checked by a pinned digest; nothing checks what the vendor's installer downloads, so it comes last. */
export function waysFor(wheel) {
  return wheel === undefined ? ['vendor'] : ['wheel', 'vendor'];
}

/**
 * Tries each way until one works.
 * @param steps what to do, by way
 * @param failed called after each failure, with the way and the error
 * @throws the last way's error
 */
export async function firstThatWorks(ways, steps, failed) {
  for (const [i, way] of ways.entries()) {
    try {
      await steps[way]();
      return way;
    } catch (error) {
      failed(way, error);
      if (i === ways.length - 1) throw error;
    }
  }
}
