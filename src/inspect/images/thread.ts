import type { Preparation } from '../../shared/data/preparation.ts';
import type { Shape } from '../../shared/model/shape.ts';
import { decodePicture, pictureBytes, pictureIn } from '../../shared/pictures/decode.ts';
import { UnknownFormatError } from '../../shared/pictures/formats.ts';
import { PictureError } from '../../shared/pictures/limits.ts';
import { type Prepared, prepare } from './prepare.ts';

/** One task of the image readers' pool: a picture's file, the samples of the model that it is for, and how the training set's were made. */
export interface ImageTask {
  /** Its file, or what it is called in messages if its bytes are here. */
  readonly file: string;
  readonly bytes?: Uint8Array | undefined;
  readonly input: Shape;
  readonly preparation?: Preparation | undefined;
}

/** The sample that a picture is. */
export async function readImage({ file, bytes, input, preparation }: ImageTask): Promise<Prepared> {
  try {
    return prepare(
      await decodePicture(bytes === undefined ? pictureBytes(file) : pictureIn(bytes)),
      input,
      preparation,
    );
  } catch (error) {
    if (error instanceof UnknownFormatError) return { problem: `${error.message}, or an IDX file with --index` };
    if (error instanceof PictureError) return { problem: error.message };
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    return { problem: `it can't be read (${(error as Error).message})` };
  }
}
