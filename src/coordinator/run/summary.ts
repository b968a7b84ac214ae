import { join } from 'node:path';
import { z } from 'zod';
import { checkpointName } from '../../shared/checkpoint/checkpoint-file.ts';
import type { TrainConfig } from '../../shared/config/config.ts';
import { commandLine } from '../../shared/util/command-line.ts';
import { shownPath, typedPath } from '../../shared/util/shown-path.ts';
import type { WebServer } from '../observe/web/web-server.ts';
import type { TrainingResult } from '../train/training.ts';
import { expectationText } from './expectation.ts';
import { checkpointsFolder } from './files.ts';

/** The result of `lockstep train`, as --json prints it and run.json keeps it. */
export const SummarySchema = z.object({
  /** The run directory. */
  run: z.string(),
  steps: z.int(),
  /** The step of the last evaluation. */
  testedAt: z.int().optional(),
  /** 0..1, at that. */
  testAccuracy: z.number().optional(),
  // JSON has no infinity: a loss that overflowed is written as null.
  testLoss: z
    .number()
    .nullable()
    .transform((loss) => loss ?? Number.NaN)
    .optional(),
  /** Mean loss of the last step's batch. */
  trainLoss: z.number().optional(),
  weightsSha256: z.string(),
  /** The hash chain's last value. */
  chain: z.string(),
  /** Training samples over the time in steps, without start-up, evaluation and checkpoints; of the last attempt. */
  samplesPerSecond: z.number(),
  /** From the start of the last attempt's program to its end. */
  seconds: z.number(),
  /** Exchanged with remote nodes, a step of the last attempt. */
  networkBytesPerStep: z.object({ sent: z.number(), received: z.number() }).optional(),
  /** Samples of single steps that the remote write receiver took, and that it didn't get; of the last attempt. */
  remoteWrite: z.object({ sent: z.int(), dropped: z.int() }).optional(),
  workers: z.int(),
  backend: z.string(),
  dataset: z.string(),
  seed: z.number(),
});

export type Summary = Readonly<z.output<typeof SummarySchema>>;

export interface SummaryOptions {
  readonly run: string;
  readonly config: TrainConfig;
  readonly dataset: string;
  readonly result: TrainingResult;
  readonly started: Date;
  /** Bytes exchanged with remote nodes; undefined where the run listened for none. */
  readonly network: Readonly<Record<'sent' | 'received', number>> | undefined;
  /** For the remote write receiver; undefined where there was none. */
  readonly samples: Summary['remoteWrite'];
}

export function summaryOf({ run, config, dataset, result, started, network, samples }: SummaryOptions): Summary {
  const { steps, testedAt, testAccuracy, testLoss, trainLoss, weightsSha256, chain, trained } = result;
  return {
    ...{ run, steps, testedAt, testAccuracy, testLoss, trainLoss, weightsSha256, chain },
    samplesPerSecond: trained.seconds === 0 ? 0 : Math.round((trained.steps * config.batch) / trained.seconds),
    seconds: (Date.now() - started.getTime()) / 1000,
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

/** A data set's name for a person, who must not take figures on drawn digits for MNIST's. */
export function datasetText(name: string): string {
  return name === 'synthetic' ? 'SYNTHETIC digits (not MNIST)' : name;
}

export interface AnnouncementOptions {
  readonly run: string;
  readonly config: TrainConfig;
  readonly dataset: string;
  readonly http: WebServer | undefined;
  /** Updates done before. */
  readonly from: number;
}

/** What a person reads before the first step. */
export function announcement({ run, config, dataset, http, from }: AnnouncementOptions): string[] {
  const { iterations, batch, workers, seed, metricsPort, listen } = config;
  const own = workers === 0 ? [] : [`${workers} worker thread${workers === 1 ? '' : 's'}`];
  const threads = [...own, ...(listen === undefined ? [] : ['remote nodes'])].join(' and ');
  const steps = from === 0 ? `${iterations} steps` : `steps ${from + 1} to ${iterations}`;
  const lines = [
    `Training LeNet-5 on ${datasetText(dataset)}: ${steps} of ${batch} samples on ${threads}, seed ${seed}.`,
    `Run directory: ${shownPath(run)}`,
  ];
  if (http?.moved) lines.push(`Port ${metricsPort} is taken; the metrics are on another one.`);
  if (http !== undefined) lines.push(`Metrics: ${http.url}/metrics`, `Live page: ${http.url}/`);
  return lines;
}

/** What became of the samples for the remote write receiver. */
export function samplesText({ sent, dropped }: NonNullable<Summary['remoteWrite']>): string {
  const [taken, lost] = [sent, dropped].map((count) => count.toLocaleString('en-US'));
  const rest = dropped === 0 ? '' : `, ${lost} DROPPED: steps.jsonl has them (lockstep metrics --openmetrics)`;
  return `Remote write: ${taken} samples sent${rest}.`;
}

/** What a person reads behind the last step. */
export function summaryText(summary: Summary, config: TrainConfig): string[] {
  const { run, steps, testedAt, testAccuracy, trainLoss, weightsSha256, samplesPerSecond, seconds } = summary;
  const place = testedAt === steps ? '' : ` (after step ${testedAt})`;
  const measured = testAccuracy === undefined ? 'not evaluated' : `${(100 * testAccuracy).toFixed(2)} %${place}`;
  const accuracy = summary.dataset === 'synthetic' ? `${measured} on ${datasetText(summary.dataset)}` : measured;
  const isDone = steps === config.iterations;
  const title = isDone ? 'Done' : `Stopped after ${steps} of ${config.iterations} steps`;
  const lines = [
    `${title}: test accuracy ${accuracy}, training loss ${trainLoss?.toFixed(4) ?? 'unknown'}, ` +
      `${samplesPerSecond} samples/s, ${seconds.toFixed(1)} s.`,
    `Weights SHA-256: ${weightsSha256}`,
  ];
  const { networkBytesPerStep: network } = summary;
  if (network !== undefined && network.sent > 0) {
    const [sent, received] = [network.sent, network.received].map((bytes) => `${(bytes / 1000).toFixed(0)} KB`);
    lines.push(`Network: ${sent} sent and ${received} received a step.`);
  }
  if (summary.remoteWrite !== undefined) lines.push(samplesText(summary.remoteWrite));
  const expectation = isDone ? expectationText(summary, config) : undefined;
  if (expectation !== undefined) lines.push(expectation);
  const checkpoint = typedPath(join(checkpointsFolder(run), checkpointName(steps)));
  if (!isDone) lines.push(`To go on: ${commandLine(`train --resume ${typedPath(run)}`, process.env)}`);
  else lines.push(`Next: ${commandLine(`evaluate ${checkpoint}`, process.env)}`);
  return lines;
}
