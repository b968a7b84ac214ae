import { CheckpointError } from '../../shared/util/errors.ts';
import type { Print } from '../../shared/util/notice.ts';

/** Prints that a checkpoint is passed over, as `onDamaged` of `firstIntact`. */
export function passedOver(print: Print): (error: CheckpointError) => void {
  return ({ message }) => print(`PASSED OVER a checkpoint: ${message}`, 'warn');
}

/**
 * What the first of some checkpoints opens to that isn't damaged; undefined if there is none.
 * @param onDamaged is called for each one that is passed over
 * @throws any error but damage that keeps a checkpoint from being opened, such as missing permission
 */
export async function firstIntact<C, T>(
  checkpoints: readonly C[],
  open: (checkpoint: C) => Promise<T>,
  onDamaged: (error: CheckpointError, checkpoint: C) => void,
): Promise<T | undefined> {
  for (const checkpoint of checkpoints) {
    try {
      return await open(checkpoint);
    } catch (error) {
      if (!(error instanceof CheckpointError) || error.isUnreadable) throw error;
      onDamaged(error, checkpoint);
    }
  }
  return undefined;
}
