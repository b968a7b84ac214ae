import { z } from 'zod';
import { type Checkpoint, trainingStateOf } from '../../shared/checkpoint/checkpoint.ts';
import { readCheckpoint } from '../../shared/checkpoint/checkpoint-file.ts';
import { trainSchema } from '../../shared/config/schema.ts';
import { CheckpointError } from '../../shared/errors.ts';
import { layoutOf, type ModelLayout } from '../../shared/model/layout.ts';
import { lenet5 } from '../../shared/model/lenet5.ts';

/** A checkpoint as far as predictions need it. */
export interface SavedModel {
  readonly checkpoint: Checkpoint;
  readonly layout: ModelLayout;
  /** [parameters] in flat order. */
  readonly weights: Float32Array;
}

/** @throws CheckpointError where the file is missing, damaged or of another model */
export async function openModel(file: string): Promise<SavedModel> {
  const checkpoint = await readCheckpoint(file);
  const layout = layoutOf(modelOf(checkpoint));
  return { checkpoint, layout, weights: trainingStateOf(checkpoint, layout).weights };
}

function modelOf({ file, config }: Checkpoint) {
  const parsed = z.object({ head: trainSchema.shape.head, rbfJ: trainSchema.shape.rbfJ }).safeParse(config);
  if (parsed.success) return lenet5(parsed.data.head, parsed.data.rbfJ);
  throw new CheckpointError(
    `The checkpoint ${file} has a config that this version can't use (${parsed.error.issues[0]?.path.join('.')}). ` +
      'Use the version of Lockstep that wrote it.',
    { file, cause: parsed.error },
  );
}
