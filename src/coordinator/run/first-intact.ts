import { CheckpointError } from '../../shared/util/errors.ts';

/**
 * What the first of some checkpoints opens to that isn't damaged; undefined where there is none. `say` is told of each that is passed over.
 * @throws whatever else than damage keeps one from being opened
 */
export async function firstIntact<T>(
  files: readonly string[],
  open: (file: string) => Promise<T>,
  print: (line: string) => void,
): Promise<T | undefined> {
  for (const file of files) {
    try {
      return await open(file);
    } catch (error) {
      if (!(error instanceof CheckpointError) || error.isUnreadable) throw error;
      print(`PASSED OVER a checkpoint: ${error.message}`);
    }
  }
  return undefined;
}
