import type { StepRecord } from '../../coordinator/train/observer.ts';
import { count, percent } from '../../shared/util/figures.ts';
import type { Entry } from '../terminal/log.ts';

/** Such as 45 s, 3 min 5 s or 2 h 10 min. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Such as 0:45, 3:05 or 2:10:05. */
export function clock(seconds: number): string {
  const whole = Math.round(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = whole < 3600 ? parts.slice(1) : parts;
  return shown.map((part, i) => (i === 0 ? String(part) : String(part).padStart(2, '0'))).join(':');
}

/** The step among `steps`, always as wide as the last one's. */
export function stepOf(step: number, steps: number): string {
  return `${String(step).padStart(String(steps).length)}/${steps}`;
}

/** A line that stays. `speed` is in samples a second, `left` in seconds; those that aren't known aren't shown. */
export function stepLine(record: StepRecord, steps: number, { speed, left }: { speed: number; left?: number }): string {
  const { step, loss, accuracy, testAccuracy } = record;
  return [
    `step ${stepOf(step, steps)}`,
    `loss ${loss.toFixed(4)}`,
    `accuracy ${percent(accuracy, 2)}`,
    ...(testAccuracy === undefined ? [] : [`test ${percent(testAccuracy, 2)}`]),
    ...(Number.isFinite(speed) ? [`${count(speed)} samples/s`] : []),
    ...(left === undefined ? [] : [`${duration(left)} left`]),
  ].join('  ');
}

/** The same for the log: numbers, in samples per second and ratios. */
export function entryOf({ step, loss, accuracy, testAccuracy, testLoss }: StepRecord, speed: number): Entry {
  return {
    step,
    loss,
    accuracy,
    ...(testAccuracy === undefined ? {} : { testAccuracy, testLoss }),
    ...(Number.isFinite(speed) ? { samplesPerSecond: Math.round(speed) } : {}),
  };
}
