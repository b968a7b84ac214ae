import { createHash } from 'node:crypto';
import { littleEndianView } from '../util/safetensors.ts';
import type { Contents, Split } from './dataset.ts';

const HASH_BYTES = 6;

/** The number of test samples that the training part has too, with the same target: they say nothing about new samples. */
export function leakedSamples({ train, test }: Contents): number {
  const tested = new Map<number, number>();
  for (const hash of sampleHashes(test)) tested.set(hash, (tested.get(hash) ?? 0) + 1);
  let leaked = 0;
  for (const hash of sampleHashes(train)) {
    leaked += tested.get(hash) ?? 0;
    tested.delete(hash);
  }
  return leaked;
}

/** The SHA-256 of each sample's inputs, and of its target behind them if `withTargets`, in order. */
export function* sampleDigests({ inputs, targets, count }: Split, withTargets: boolean): Generator<Buffer> {
  const arrays = [inputs, ...(withTargets ? [targets] : [])].map(littleEndianView);
  for (let i = 0; i < count; i++) {
    const hash = createHash('sha256');
    for (const bytes of arrays)
      hash.update(bytes.subarray((i * bytes.length) / count, ((i + 1) * bytes.length) / count));
    yield hash.digest();
  }
}

/** The first 48 bits of each sample's SHA-256, over its inputs and its target, in order. */
export function* sampleHashes(split: Split): Generator<number> {
  for (const digest of sampleDigests(split, true)) yield digest.readUIntBE(0, HASH_BYTES);
}
