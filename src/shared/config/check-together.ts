import type { z } from 'zod';
import { isTable } from '../engine/schedule-table.ts';
import { UsageError } from '../util/errors.ts';
import { flagOf, type OptionKey, type trainSchema } from './schema.ts';
import type { GivenOptions } from './sources.ts';

type Options = z.output<typeof trainSchema>;
/** What is checked of a config whose options are all decided. */
type Checked = Pick<
  Options,
  | 'schedule'
  | 'batch'
  | 'shardSize'
  | 'replicas'
  | 'workers'
  | 'listen'
  | 'iterations'
  | 'validation'
  | 'patience'
  | 'keepBest'
> & {
  readonly warmup: number;
};

/** @throws UsageError if an option goes by a validation loss that there won't be */
export function checkValidation({ validation, ...config }: Checked, given: GivenOptions): void {
  const key = (['keepBest', 'patience'] as const).find((each) => config[each]);
  if (key === undefined || validation > 0) return;
  throw new UsageError(
    `${given[key]?.from ?? flagOf(key)}: it goes by the validation loss, which a run without ${flagOf('validation')} doesn't have. ` +
      `Hold back samples by ${flagOf('validation')}, such as 0.1 of them, or leave it out.`,
    { option: key },
  );
}

/** @param from where the number of workers comes from @throws UsageError if nobody would compute */
export function checkWorkers({ workers, listen }: Pick<Checked, 'workers' | 'listen'>, from: string): void {
  if (workers !== 0 || listen !== undefined) return;
  throw new UsageError(
    `${from}: a run without workers needs remote nodes: add --listen HOST:PORT, or give at least 1 by --workers.`,
    { option: 'workers' },
  );
}

/** @throws UsageError if options contradict each other */
export function checkTogether(config: Checked, given: GivenOptions): void {
  checkValidation(config, given);
  const from = (key: OptionKey): string => given[key]?.from ?? `${flagOf(key)} (default)`;
  const { batch, shardSize, replicas, schedule, warmup, iterations } = config;
  const unit = replicas * shardSize;
  if (replicas > 1 && batch % unit !== 0) {
    const below = batch - (batch % unit);
    const fits = [below, below + unit].filter((size) => size > 0).join(' or ');
    throw new UsageError(
      `${from('batch')}: expected a multiple of the shard size for each replica, which is ${replicas} x ${shardSize} by ` +
        `${from('replicas')} and ${from('shardSize')}, but got ${batch}. A batch of ${fits} would do, or fewer replicas.`,
      { option: 'batch' },
    );
  }
  if (batch % shardSize !== 0) {
    const below = batch - (batch % shardSize);
    const fits = [below, below + shardSize].filter((size) => size > 0).join(' or ');
    throw new UsageError(
      `${from('batch')}: expected a multiple of the shard size, which is ${shardSize} by ${from('shardSize')}, ` +
        `but got ${batch}. A batch of ${fits} would do, or a shard size that divides ${batch}.`,
      { option: 'batch' },
    );
  }
  checkWorkers(config, from('workers'));
  if (isTable(schedule) && warmup > 0) {
    throw new UsageError(
      `${from('warmup')}: the table of ${from('schedule')} is the whole course of the learning rate, so a warm-up of 0 was ` +
        `expected, but got ${warmup}. Leave it out, and begin the table with the warm-up.`,
      { option: 'warmup' },
    );
  }
  if (warmup > iterations) {
    throw new UsageError(
      `${from('warmup')}: expected at most the number of iterations, which is ${iterations} by ${from('iterations')}, ` +
        `but got ${warmup}. Shorten the warm-up, or leave it out.`,
      { option: 'warmup' },
    );
  }
}
