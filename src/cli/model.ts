import { z } from 'zod';
import type { Checkpoint } from '../shared/checkpoint/checkpoint.ts';
import { trainSchema } from '../shared/config/schema.ts';
import { CheckpointError } from '../shared/errors.ts';
import { lenet5 } from '../shared/model/lenet5.ts';
import type { ModelSpec } from '../shared/model/spec.ts';

/** The network whose weights a checkpoint holds. @throws CheckpointError where its config isn't one of this version */
export function modelOf({ file, config }: Pick<Checkpoint, 'file' | 'config'>): ModelSpec {
  const parsed = z.object({ head: trainSchema.shape.head, rbfJ: trainSchema.shape.rbfJ }).safeParse(config);
  if (parsed.success) return lenet5(parsed.data.head, parsed.data.rbfJ);
  throw new CheckpointError(
    `The checkpoint ${file} has a config that this version can't use (${parsed.error.issues[0]?.path.join('.')}). ` +
      'Use the version of Lockstep that wrote it.',
    { file, cause: parsed.error },
  );
}
