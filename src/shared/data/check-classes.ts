import { DatasetError } from '../util/errors.ts';
import type { Contents } from './dataset.ts';

/** Classes that a message names. */
const LISTED = 5;

/**
 * Refuses classes that can't be learnt or tested.
 * @throws DatasetError if there is one class alone, or one without a training sample
 */
export function checkClasses({ train, classes, classNames }: Contents, path: string): void {
  const { targets } = train;
  if (targets instanceof Float32Array) return;
  if (classes === 1) {
    throw bad(path, `expected two classes or more, but every sample is of the class ${classNames[0]}`);
  }
  const counts = new Uint32Array(classes);
  for (const target of targets) counts[target] = (counts[target] ?? 0) + 1;
  const empty = classNames.filter((_, i) => counts[i] === 0);
  if (empty.length === 0) return;
  const more = empty.length > LISTED ? ` and ${empty.length - LISTED} more` : '';
  throw bad(
    path,
    `expected training samples of each of the ${classes} classes, but there are none of ${empty.slice(0, LISTED).join(', ')}${more}`,
  );
}

function bad(path: string, problem: string): DatasetError {
  return new DatasetError(
    `${path}: ${problem}. Add samples, or leave the class out; classes are numbered without gaps.`,
    {
      file: path,
    },
  );
}
