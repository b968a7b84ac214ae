// How a data set's samples were made from what people have, so that `predict` makes a new sample alike. It is kept in the packed file,
// in a run and in its checkpoints, and is no part of the data set's digest.
import { z } from 'zod';

/** How a picture of another size becomes a sample: whole, with borders; filled, with its edges cut off; or distorted. */
export const RESIZES = ['contain', 'cover', 'stretch'] as const;
export type Resize = (typeof RESIZES)[number];

/** Rows and columns of a picture. */
const MAX_SIDE = 2 ** 16 - 1;

/** A table has no more columns, nor a column more categories. */
export const MAX_COLUMNS = 10_000;
/** Characters of a category, and of a column's name. */
export const MAX_COLUMN_TEXT = 200;

const Text = z.string().max(MAX_COLUMN_TEXT);
const Name = Text.min(1);

const Scaling = z.strictObject({ mean: z.number(), deviation: z.number().gt(0) });

const Column = z.discriminatedUnion('kind', [
  /** Becomes one feature, (value - mean) / deviation; a missing value is 0, the mean. */
  Scaling.extend({ kind: z.literal('number'), name: Name }),
  /** Becomes a feature for each value, 1 for the row's own and 0 for the others; a missing or unknown value has no 1. */
  z.strictObject({ kind: z.literal('category'), name: Name, values: z.array(Text).min(1).max(MAX_COLUMNS) }),
]);

/** One map, or three of colours. */
const Colours = z.union([z.literal(1), z.literal(3)]);
const PictureSide = z.int().min(1).max(MAX_SIDE);
const Channels = z.array(z.number()).min(1).max(3);

/** Values of a picture's channels as a network sees them: (byte / 255 - mean) / deviation. */
const Normalization = z.strictObject({ mean: Channels, deviation: Channels });

export const PREPARATION = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('pictures'), resize: z.enum(RESIZES) }),
  /** What is drawn on paper, such as a digit, becomes light ink, scaled and centred as in MNIST. */
  z.strictObject({ kind: z.literal('ink') }),
  /** What a frozen network makes of pictures, which were such samples before the network's input. */
  z.strictObject({
    kind: z.literal('features'),
    resize: z.enum(RESIZES),
    sample: z.strictObject({ maps: Colours, height: PictureSide, width: PictureSide }),
    network: z.strictObject({ file: Text, sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
    layer: Name,
    normalization: Normalization,
    /** What computed them, with its version. */
    runtime: Name,
  }),
  z.strictObject({
    kind: z.literal('table'),
    target: Name,
    /** Only for numbers: the model's outputs are (value - mean) / deviation. */
    scaling: Scaling.optional(),
    columns: z.array(Column).min(1).max(MAX_COLUMNS),
  }),
]);

export type Normalization = z.infer<typeof Normalization>;
/** How samples were made, by its kind: of pictures, of drawings, by another network's features, or of a table's rows. */
export type Preparation = z.infer<typeof PREPARATION>;
export type TableColumn = z.infer<typeof Column>;
/** The mean and deviation over the training part. */
export type TableScaling = z.infer<typeof Scaling>;
export type FeaturePreparation = Extract<Preparation, { kind: 'features' }>;
export type TablePreparation = Extract<Preparation, { kind: 'table' }>;
