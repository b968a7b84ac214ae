/** 128 plus the signal's number, as shells report it. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

export interface StopSignals {
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  /** 0 until one of them came. */
  readonly exitCode: number;
  /** Whether SIGUSR2 came since the last call. */
  readonly checkpointAsked: () => boolean;
  /** Gives the signals their usual meaning back. */
  release(): void;
}

/** SIGUSR2 would end a process that isn't ready for it: until `stopOnSignals`, it asks for nothing. */
export function surviveEarlySignals(): void {
  process.on('SIGUSR2', () => {});
}

/**
 * The first SIGINT or SIGTERM asks the run to stop behind its step; a second one ends the process at once. SIGUSR2 asks for a
 * checkpoint.
 * @param what is done before the end, in words
 */
export function stopOnSignals(print: (line: string) => void, what = 'finishing this step, then saving'): StopSignals {
  const controller = new AbortController();
  let exitCode = 0;
  let asked = false;
  const handle = (name: 'SIGINT' | 'SIGTERM'): void => {
    if (controller.signal.aborted) process.exit(EXIT_CODES[name]);
    exitCode = EXIT_CODES[name];
    print(`${name}: ${what}. Once more ends it at once.`);
    controller.abort();
  };
  const ask = (): void => {
    asked = true;
    print('SIGUSR2: a checkpoint is taken after this step.');
  };
  process.on('SIGINT', handle);
  process.on('SIGTERM', handle);
  process.on('SIGUSR2', ask);
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
    checkpointAsked() {
      const was = asked;
      asked = false;
      return was;
    },
    release() {
      process.off('SIGINT', handle);
      process.off('SIGTERM', handle);
      process.off('SIGUSR2', ask);
    },
  };
}
