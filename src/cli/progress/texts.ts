import type { StepRecord } from '../../coordinator/train/observer.ts';
import { type Evaluation, evaluationIn } from '../../shared/live/step-scalars.ts';
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

/** The figure of an evaluation that says most: the accuracy, of numbers R²; undefined if nothing was evaluated. */
export function testFigure({ testAccuracy, testR2, testLoss }: Evaluation) {
  if (testAccuracy !== undefined) return { name: 'accuracy', value: percent(testAccuracy, 2) };
  if (testR2 !== undefined) return { name: 'R²', value: testR2.toFixed(4) };
  return testLoss === undefined ? undefined : { name: 'loss', value: testLoss.toFixed(4) };
}

/** The same of the validation samples. */
export function validationFigure({ validationAccuracy, validationR2, validationLoss }: Evaluation) {
  return testFigure({
    ...(validationAccuracy !== undefined && { testAccuracy: validationAccuracy }),
    ...(validationR2 !== undefined && { testR2: validationR2 }),
    ...(validationLoss !== undefined && { testLoss: validationLoss }),
  });
}

/** A line that stays. `speed` is in samples a second, `left` in seconds; those that aren't known aren't shown. */
export function stepLine(record: StepRecord, steps: number, { speed, left }: { speed: number; left?: number }): string {
  const { step, loss, accuracy } = record;
  const [test, validation] = [testFigure(record), validationFigure(record)].map(shortFigure);
  return [
    `step ${stepOf(step, steps)}`,
    `loss ${loss.toFixed(4)}`,
    ...(accuracy === undefined ? [] : [`accuracy ${percent(accuracy, 2)}`]),
    ...(test === undefined ? [] : [`test ${test}`]),
    ...(validation === undefined ? [] : [`validation ${validation}`]),
    ...(Number.isFinite(speed) ? [`${count(speed)} samples/s`] : []),
    ...(left === undefined ? [] : [`${duration(left)} left`]),
  ].join('  ');
}

/** An accuracy needs no name. */
function shortFigure(figure: ReturnType<typeof testFigure>): string | undefined {
  return figure?.name === 'accuracy' ? figure.value : figure && `${figure.name} ${figure.value}`;
}

/** The same for the log: numbers, in samples per second and ratios. */
export function entryOf(record: StepRecord, speed: number): Entry {
  const { step, loss, accuracy } = record;
  return {
    step,
    loss,
    ...(accuracy === undefined ? {} : { accuracy }),
    ...evaluationIn(record),
    ...(Number.isFinite(speed) ? { samplesPerSecond: Math.round(speed) } : {}),
  };
}
