/** 128 plus the signal's number, as shells report it. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

export interface StopSignals {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal;
  /** 0 until a signal came. */
  readonly exitCode: number;
  /** Gives the signals their usual meaning back. */
  release(): void;
}

/** The first SIGINT or SIGTERM asks the run to stop behind its step; a second one ends the process at once. */
export function stopOnSignals(say: (line: string) => void): StopSignals {
  const controller = new AbortController();
  let exitCode = 0;
  const handle = (name: 'SIGINT' | 'SIGTERM'): void => {
    if (controller.signal.aborted) process.exit(EXIT_CODES[name]);
    exitCode = EXIT_CODES[name];
    say(`${name}: finishing this step, then saving. Once more ends it at once.`);
    controller.abort();
  };
  process.on('SIGINT', handle);
  process.on('SIGTERM', handle);
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
    release() {
      process.off('SIGINT', handle);
      process.off('SIGTERM', handle);
    },
  };
}
