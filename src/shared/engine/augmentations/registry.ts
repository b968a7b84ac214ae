// The kinds of augmentation. A file beside this one and its entry here are all that another one needs: --augment, its help and errors,
// and the numerics digest follow.
import type { DatasetShape } from '../../data/dataset.ts';
import { isVector } from '../../model/shape.ts';
import { UsageError } from '../../util/errors.ts';
import { nearest } from '../../util/nearest.ts';
import { COLOUR } from './colour.ts';
import { CROP } from './crop.ts';
import { CUTOUT } from './cutout.ts';
import { ELASTIC } from './elastic.ts';
import { FLIP } from './flip.ts';
import type { AugmentationKind } from './kind.ts';
import { ROTATE } from './rotate.ts';
import { SCALE } from './scale.ts';
import { SHIFT } from './shift.ts';

/** In the order in which they are applied. */
export const AUGMENTATIONS: readonly AugmentationKind[] = [COLOUR, FLIP, SCALE, ROTATE, CROP, ELASTIC, CUTOUT, SHIFT];

/** The text of a list that is empty. */
export const NO_AUGMENTATION = 'none';

/** A kind that a run uses. */
export interface Augmentation<Kind = AugmentationKind> {
  readonly kind: Kind;
  /** 0 if the kind has none. */
  readonly strength: number;
}

/** The kinds that a list names, such as `flip,crop:4`, in the order in which they are applied. @throws UsageError, the end of a sentence */
export function parseAugmentations(text: string): readonly Augmentation[] {
  if (text === NO_AUGMENTATION) return [];
  const all = text.split(',').map(parseOne);
  const names = all.map(({ kind }) => kind.name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new UsageError(`has ${twice} twice`);
  return all.sort((a, b) => AUGMENTATIONS.indexOf(a.kind) - AUGMENTATIONS.indexOf(b.kind));
}

/** The one text that stands for a list: in order, and with every strength. */
export function augmentationText(list: readonly Augmentation[]): string {
  const texts = list.map(({ kind, strength }) =>
    kind.strength === undefined ? kind.name : `${kind.name}:${strength}`,
  );
  return texts.join() || NO_AUGMENTATION;
}

function parseOne(text: string): Augmentation {
  const [name = '', digits, ...rest] = text.trim().split(':');
  const kind = AUGMENTATIONS.find((each) => each.name === name);
  if (kind === undefined) {
    const meant = nearest(name, [...AUGMENTATIONS.map((each) => each.name), NO_AUGMENTATION]);
    if (name === NO_AUGMENTATION) throw new UsageError(`has ${NO_AUGMENTATION} beside others`);
    throw new UsageError(`has "${name}", which isn't one of them${meant === undefined ? '' : `: perhaps ${meant}`}`);
  }
  if (kind.strength === undefined) {
    if (digits === undefined) return { kind, strength: 0 };
    throw new UsageError(`has "${text.trim()}", but ${name} has no strength`);
  }
  const { max, step, unit, default: own } = kind.strength;
  const strength = digits === undefined ? own : Number(digits);
  const isNumber = digits === undefined || /^\d+(\.\d+)?$/.test(digits);
  if (rest.length === 0 && isNumber && strength <= max && Number.isInteger(strength / step)) return { kind, strength };
  const expected = step === 1 ? 'a whole number' : `a multiple of ${step}`;
  throw new UsageError(`has "${text.trim()}", but the strength of ${name} is ${expected} from 0 to ${max} (${unit})`);
}

/** What runs use if they don't say: a mirrored digit is another sign, and a table has no neighbours. */
export function defaultAugment({ inputs, maps, height, width }: DatasetShape): string {
  if (inputs !== 'uint8' || isVector({ maps, height, width })) return NO_AUGMENTATION;
  if (maps === 1) return augmentationText([{ kind: SHIFT, strength: 0 }]);
  if (maps !== 3) return NO_AUGMENTATION;
  // 4 of 32 pixels, as CIFAR's usual crop.
  const border = Math.min(CROP.strength?.max ?? 0, Math.floor(Math.min(height, width) / 8));
  return augmentationText([FLIP, CROP].map((kind) => ({ kind, strength: border })));
}

/** Why a list can't be used with samples like these; undefined if it can. */
export function augmentRefusal(
  augment: string,
  data: Pick<DatasetShape, 'inputs' | 'maps' | 'height' | 'width'>,
): string | undefined {
  for (const { kind } of parseAugmentations(augment)) {
    const { name, needsBytes = false, maps = [data.maps] } = kind;
    if (isVector(data)) return `${name} changes pictures, but a sample of the data set has one row and one column`;
    if (needsBytes && data.inputs !== 'uint8')
      return `${name} computes with bytes, but the data set's samples are floats`;
    if (!maps.includes(data.maps))
      return `${name} knows pictures of ${maps.join(' or ')} maps, but those of the data set have ${data.maps}`;
  }
  return undefined;
}

/** The kinds and their strengths, for help. */
export function augmentationsText(): string {
  return AUGMENTATIONS.map(({ name, strength }) =>
    strength === undefined ? name : `${name}:${strength.default}`,
  ).join();
}
