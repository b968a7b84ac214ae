import { z } from 'zod';
import { BestEvaluation } from '../../shared/checkpoint/validation-state.ts';
import type { TrainConfig } from '../../shared/config/config.ts';
import { evaluationIn } from '../../shared/live/step-scalars.ts';
import { commandLine } from '../../shared/util/command-line.ts';
import { typedPath } from '../../shared/util/shown-path.ts';
import type { TrainingResult } from '../train/training-result.ts';

// JSON has no infinity, so a loss that overflowed is written as null.
const figure = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN)
  .optional();

/** The result of `lockstep train`, as --json prints it and run.json keeps it. */
export const SummarySchema = z.object({
  /** The run directory. */
  run: z.string(),
  steps: z.int(),
  /** The step of the last evaluation. */
  testedAt: z.int().optional(),
  /** Accuracy of the last evaluation, 0..1. */
  testAccuracy: z.number().optional(),
  /** Of numbers: the share of their variance that is explained. */
  testR2: figure,
  testLoss: figure,
  validationAccuracy: z.number().optional(),
  validationR2: figure,
  validationLoss: figure,
  /** The best evaluation by what --keep-best goes by, by default the lowest validation loss. */
  best: BestEvaluation.optional(),
  /** The run ended before its last iteration, by --patience. */
  stoppedEarly: z.literal(true).optional(),
  /** Mean loss of the last step's batch. */
  trainLoss: z.number().optional(),
  weightsSha256: z.string(),
  /** The hash chain's last value. */
  chain: z.string(),
  /** Training samples of the last attempt over its time in steps, without start-up, evaluation and checkpoints. */
  samplesPerSecond: z.number(),
  /** Time from the start of the last attempt's program to its end. */
  seconds: z.number(),
  /** Bytes exchanged with remote nodes per step of the last attempt. */
  networkBytesPerStep: z.object({ sent: z.number(), received: z.number() }).optional(),
  /** Time series samples of the last attempt that the remote write receiver accepted, and that it didn't get. */
  remoteWrite: z.object({ sent: z.int(), dropped: z.int() }).optional(),
  workers: z.int(),
  backend: z.string(),
  dataset: z.string(),
  seed: z.number(),
});

/** The result of an attempt, as `lockstep train --json` prints it and run.json keeps it. */
export type Summary = Readonly<z.output<typeof SummarySchema>>;

export interface SummaryOptions {
  readonly run: string;
  readonly config: TrainConfig;
  readonly dataset: string;
  readonly result: TrainingResult;
  /** Seconds since the attempt began. */
  readonly seconds: number;
  /** Bytes exchanged with remote nodes; undefined if the run didn't listen for any. */
  readonly network: Readonly<Record<'sent' | 'received', number>> | undefined;
  /** Time series samples for the remote write receiver; undefined if there was none. */
  readonly samples: Summary['remoteWrite'];
}

/** The result of an attempt that has ended. */
export function summaryOf({ run, config, dataset, result, seconds, network, samples }: SummaryOptions): Summary {
  const { steps, testedAt, best, stoppedEarly, trainLoss, weightsSha256, chain, trained } = result;
  return {
    run,
    steps,
    testedAt,
    ...evaluationIn(result),
    ...(best && { best }),
    ...(stoppedEarly && { stoppedEarly }),
    trainLoss,
    weightsSha256,
    chain,
    samplesPerSecond: trained.seconds === 0 ? 0 : Math.round((trained.steps * config.batch) / trained.seconds),
    seconds,
    ...(network && { networkBytesPerStep: bytesPerStep(network, trained.steps) }),
    ...(samples && { remoteWrite: samples }),
    workers: config.workers,
    backend: config.backend,
    dataset,
    seed: config.seed,
  };
}

function bytesPerStep({ sent, received }: Readonly<Record<'sent' | 'received', number>>, steps: number) {
  const each = (bytes: number): number => Math.round(bytes / Math.max(1, steps));
  return { sent: each(sent), received: each(received) };
}

/** Whether a run with this result is over: all of its steps are done, or it stopped early. */
export function isOver(
  { steps, stoppedEarly }: Pick<Summary, 'steps'> & { readonly stoppedEarly?: boolean | undefined },
  iterations: number,
): boolean {
  return steps === iterations || stoppedEarly === true;
}

/** A sentence about the time series samples for the remote write receiver. */
export function samplesText({ sent, dropped }: NonNullable<Summary['remoteWrite']>, run: string): string {
  const [taken, lost] = [sent, dropped].map((count) => count.toLocaleString('en-US'));
  const command = commandLine(`metrics ${typedPath(run)} --openmetrics`, process.env);
  const rest = dropped === 0 ? '' : `, ${lost} DROPPED: steps.jsonl has those of its steps (${command})`;
  return `Remote write: ${taken} samples sent${rest}.`;
}
