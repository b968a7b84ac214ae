import type { Normalization } from '../../shared/data/preparation.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { quoted } from '../import/names.ts';

/** Of ImageNet's training part, red, green and blue, as torchvision's networks expect them (docs.pytorch.org/vision/stable/models.html). */
const IMAGENET: Normalization = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };

/**
 * What --normalize says: imagenet, none, or means and deviations, one pair or one of each channel.
 * @param text undefined: imagenet for colours, none for one channel
 * @throws UsageError if it can't be used
 */
export function normalizationOf(text: string | undefined, channels: 1 | 3): Normalization {
  const each = (value: number): number[] => new Array<number>(channels).fill(value);
  const named = text ?? (channels === 3 ? 'imagenet' : 'none');
  if (named === 'none') return { mean: each(0), deviation: each(1) };
  if (named === 'imagenet' && channels === 3) return IMAGENET;
  const numbers = named.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  const pairs = numbers.length / 2;
  const [mean, deviation] = [numbers.slice(0, pairs), numbers.slice(pairs)];
  if ((pairs !== 1 && pairs !== channels) || !mean.every(Number.isFinite) || !deviation.every(isDeviation)) {
    const [means, deviations] = [each(0.5).join(','), each(0.25).join(',')];
    const known = channels === 3 ? 'imagenet, none' : 'none';
    throw new UsageError(
      `--normalize: expected ${known}, or means and deviations for ${channels === 1 ? 'one channel' : `${channels} channels`} ` +
        `such as 0.5,0.25${channels === 1 ? '' : ` or ${means},${deviations}`}, but got ${quoted(text ?? '')}.`,
    );
  }
  return pairs === channels
    ? { mean, deviation }
    : { mean: each(mean[0] as number), deviation: each(deviation[0] as number) };
}

function isDeviation(value: number): boolean {
  return Number.isFinite(value) && value > 0;
}
