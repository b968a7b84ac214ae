// Whether all train the same thing.
import { BackendError } from '#src/shared/util/errors.js';
import { type Trainer, UnavailableError } from './trainer.ts';

/** Updates after which losses are compared. */
const COMPARED = [0, 1, 5] as const;
const STEPS = Math.max(...COMPARED) + 1;
/** Relative: float32 sums in another order differ, and Adam makes full steps of small gradients. */
const TOLERANCE = 1e-4;

export interface Checked {
  /** Those that work here. */
  readonly settings: readonly string[];
  /** The greatest relative difference from Lockstep's losses. */
  readonly difference: number;
  /** Why other settings don't work, by their names. */
  readonly unavailable: Readonly<Record<string, string>>;
}

/** The losses to which all are compared, by a trainer's plain setting. */
export function referenceLosses(trainer: Trainer): Promise<readonly number[]> {
  return trainer.losses(trainer.settings[0] as string, STEPS);
}

/** @throws BackendError if a setting's losses differ, or the plain one doesn't work */
export async function checkLosses(trainer: Trainer, expected: readonly number[]): Promise<Checked> {
  const settings: string[] = [];
  const unavailable: Record<string, string> = {};
  let difference = 0;
  for (const setting of trainer.settings) {
    try {
      const losses = await trainer.losses(setting, STEPS);
      difference = Math.max(difference, differenceOf(`${trainer.name} (${setting})`, losses, expected));
      settings.push(setting);
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      unavailable[setting] = error.message;
    }
  }
  if (settings.length > 0) return { settings, difference, unavailable };
  throw new BackendError(`${trainer.name} doesn't train this model: ${Object.values(unavailable).join('; ')}`);
}

function differenceOf(name: string, losses: readonly number[], expected: readonly number[]): number {
  const differences = COMPARED.map((step) => {
    const [own = Number.NaN, other = Number.NaN] = [losses[step], expected[step]];
    const difference = Math.abs(own - other) / other;
    if (difference <= TOLERANCE) return difference;
    throw new BackendError(
      `${name} trains something else: after ${step} steps its loss is ${own}, but Lockstep's is ${other}. ` +
        `Expected the same to ${TOLERANCE}.`,
    );
  });
  return Math.max(...differences);
}
