import type { StepObserver } from '../../coordinator/train/observer.ts';
import { ProgressBar } from './bar.ts';
import { ProgressLines } from './lines.ts';
import type { Terminal } from './terminal.ts';

export interface ProgressOptions {
  readonly terminal: Terminal;
  /** The run's last step. */
  readonly steps: number;
  /** Samples of one step. */
  readonly batch: number;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
}

/**
 * A bar where the terminal can redraw one, plain lines elsewhere. Make it where the first step is about to begin, and
 * clear the terminal behind the last one.
 */
export function progressOf(options: ProgressOptions): StepObserver {
  return options.terminal.live ? new ProgressBar(options) : new ProgressLines(options);
}
