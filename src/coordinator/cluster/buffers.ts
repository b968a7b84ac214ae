/** Something of a step or round in a buffer that isn't the cluster's: it is copied before the buffer is used again. */
interface Remote<Target> {
  copyTo(target: Target): void;
}

/** Buffers that hold what remote members delivered of one step or round until that is done. */
export class Buffers<Target, Own, From extends Remote<Target>> {
  readonly #targets: readonly Target[];
  readonly #copied: (from: From, target: Target) => Own;
  #used = 0;

  /** @param copied what was copied to a target */
  constructor(targets: readonly Target[], copied: (from: From, target: Target) => Own) {
    this.#targets = targets;
    this.#copied = copied;
  }

  /** Whether there is room: for what is wanted as long as there is any, for `spare` copies no more than half of it. */
  hasRoom({ spare }: { readonly spare: boolean }): boolean {
    return this.#used < (spare ? this.#targets.length / 2 : this.#targets.length);
  }

  /** To be called only if there is room. */
  copy(from: From): Own {
    const target = this.#targets[this.#used++] as Target;
    from.copyTo(target);
    return this.#copied(from, target);
  }

  /** The buffers of the step before are free. */
  reclaim(): void {
    this.#used = 0;
  }
}
