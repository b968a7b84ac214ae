import type { Terminal } from '../terminal/terminal.ts';

export interface ProgressOptions {
  readonly terminal: Terminal;
  /** The run's last step. */
  readonly steps: number;
  /** Samples of one step. */
  readonly batch: number;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
}
