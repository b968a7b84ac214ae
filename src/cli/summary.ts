import { join } from 'node:path';
import type { HttpServer } from '../coordinator/http.ts';
import type { TrainingResult } from '../coordinator/train.ts';
import { checkpointName } from '../shared/checkpoint/checkpoint-file.ts';
import type { TrainConfig } from '../shared/config.ts';
import { commandLine } from './npm.ts';
import { shownPath } from './shown-path.ts';

/** The result of `lockstep train`, as --json prints it and run.json keeps it. */
export interface Summary {
  /** The run directory. */
  readonly run: string;
  readonly steps: number;
  /** 0..1, at the last evaluation. */
  readonly testAccuracy: number | undefined;
  readonly testLoss: number | undefined;
  /** Mean loss of the last step's batch. */
  readonly trainLoss: number | undefined;
  readonly weightsSha256: string;
  /** Training samples over the time in steps, without start-up, evaluation and checkpoints. */
  readonly samplesPerSecond: number;
  /** From the start of the program to the end of the run. */
  readonly seconds: number;
  readonly workers: number;
  readonly backend: string;
  readonly dataset: string;
  readonly seed: number;
}

export interface SummaryOptions {
  readonly run: string;
  readonly config: TrainConfig;
  readonly dataset: string;
  readonly result: TrainingResult;
  readonly started: Date;
}

export function summaryOf({ run, config, dataset, result, started }: SummaryOptions): Summary {
  const { steps, testAccuracy, testLoss, trainLoss, weightsSha256, stepSeconds } = result;
  return {
    ...{ run, steps, testAccuracy, testLoss, trainLoss, weightsSha256 },
    samplesPerSecond: stepSeconds === 0 ? 0 : Math.round((steps * config.batch) / stepSeconds),
    seconds: (Date.now() - started.getTime()) / 1000,
    workers: config.workers,
    backend: config.backend,
    dataset,
    seed: config.seed,
  };
}

/** A data set's name for a person, who must not take figures on drawn digits for MNIST's. */
export function datasetText(name: string): string {
  return name === 'synthetic' ? 'SYNTHETIC digits (not MNIST)' : name;
}

export interface AnnouncementOptions {
  readonly run: string;
  readonly config: TrainConfig;
  readonly dataset: string;
  readonly http: HttpServer | undefined;
}

/** What a person reads before the first step. */
export function announcement({ run, config, dataset, http }: AnnouncementOptions): string[] {
  const { iterations, batch, workers, seed, metricsPort } = config;
  const threads = `${workers} worker thread${workers === 1 ? '' : 's'}`;
  const lines = [
    `Training LeNet-5 on ${datasetText(dataset)}: ${iterations} steps of ${batch} samples on ${threads}, seed ${seed}.`,
    `Run directory: ${shownPath(run)}`,
  ];
  if (http?.moved) lines.push(`Port ${metricsPort} is taken; the metrics are on another one.`);
  if (http !== undefined) lines.push(`Metrics: ${http.url}/metrics`);
  return lines;
}

/** What a person reads behind the last step. */
export function summaryText(summary: Summary, config: TrainConfig): string[] {
  const { run, steps, testAccuracy, trainLoss, weightsSha256, samplesPerSecond, seconds } = summary;
  const measured = testAccuracy === undefined ? 'not evaluated' : `${(100 * testAccuracy).toFixed(2)} %`;
  const accuracy = summary.dataset === 'synthetic' ? `${measured} on ${datasetText(summary.dataset)}` : measured;
  const title = steps === config.iterations ? 'Done' : `Stopped after ${steps} of ${config.iterations} steps`;
  const lines = [
    `${title}: test accuracy ${accuracy}, training loss ${trainLoss?.toFixed(4) ?? 'unknown'}, ` +
      `${samplesPerSecond} samples/s, ${seconds.toFixed(1)} s.`,
    `Weights SHA-256: ${weightsSha256}`,
  ];
  const checkpoint = shownPath(join(run, 'checkpoints', checkpointName(steps)));
  if (steps > 0) lines.push(`Next: ${commandLine(`evaluate ${checkpoint}`, process.env)}`);
  return lines;
}
