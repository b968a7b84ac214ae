import type { StepObserver } from '../../coordinator/train/observer.ts';
import { ProgressBar } from './bar.ts';
import { ProgressLines } from './lines.ts';
import type { ProgressOptions } from './progress-options.ts';

/**
 * A bar if the terminal can redraw one, otherwise plain lines. Clear the terminal after the last step.
 */
export function progressOf(options: ProgressOptions): StepObserver {
  return options.terminal.live ? new ProgressBar(options) : new ProgressLines(options);
}
