import { Sampler, type SamplerOptions } from '../../shared/engine/sampler.ts';
import { WorkerError } from '../../shared/util/errors.ts';
import type { Command } from './mailbox.ts';

/** The error of a run whose workers failed too often on one shard, replica, chunk or block; it names the shard's samples. */
export function retriesExhausted(
  { sampler, shardSize }: { readonly sampler: SamplerOptions; readonly shardSize: number },
  { kind, t, steps, firstShard }: Command,
  { unit, cause }: { readonly unit: number; readonly cause: Error },
): WorkerError {
  const message = (what: string): string => `Workers failed repeatedly on ${what}; the last cause: ${cause.message}`;
  if (kind === 'evaluate') return new WorkerError(message(`chunk ${unit} of the test set`), { cause });
  if (kind === 'update') return new WorkerError(message(`block ${unit} of an update`), { cause });
  if (kind === 'replica') {
    const text = message(`replica ${unit} in steps ${t + 1} to ${t + steps}`);
    return new WorkerError(text, { cause, step: t + 1 });
  }
  const shard = firstShard + unit;
  const samples = samplesOf(sampler, t, { first: shard * shardSize, count: shardSize });
  const what = `shard ${shard} of step ${t + 1} (training samples ${samples.join(', ')})`;
  return new WorkerError(message(what), { cause, step: t + 1, shard, samples });
}

/** Places in the data set of samples of a step's batch. */
function samplesOf(
  options: SamplerOptions,
  t: number,
  { first, count }: { readonly first: number; readonly count: number },
): number[] {
  const indices = new Int32Array(count);
  new Sampler(options).fill(t, first, count, indices, new Int8Array(2 * count));
  return [...indices];
}
