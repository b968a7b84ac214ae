import { join } from 'node:path';
import { checkpointsFolder } from '../coordinator/run/files.ts';
import { resumeCommand } from '../coordinator/run/resume.ts';
import { type Summary, samplesText } from '../coordinator/run/summary.ts';
import type { RunStarted } from '../library/observer.ts';
import { checkpointName } from '../shared/checkpoint/checkpoint-file.ts';
import { dataAgain, type TrainConfig } from '../shared/config/config.ts';
import { datasetText, namedSet } from '../shared/data/registry.ts';
import { commandLine, withOptions } from '../shared/util/command-line.ts';
import type { Print } from '../shared/util/notice.ts';
import { reachable } from '../shared/util/reachable.ts';
import { shownPath, typedPath } from '../shared/util/shown-path.ts';
import { expectationLine } from './expectation.ts';

/** A line and how serious it is. Default: info. */
export type Line = Parameters<Print>;

/** The lines that are printed before the first step. */
export function announcement({ run, config, dataset, http, from }: RunStarted): Line[] {
  const { iterations, batch, workers, seed, metricsPort, listen } = config;
  const own = workers === 0 ? [] : [`${workers} worker thread${workers === 1 ? '' : 's'}`];
  const threads = [...own, ...(listen === undefined ? [] : ['remote nodes'])].join(' and ');
  const steps = from === 0 ? `${iterations} steps` : `steps ${from + 1} to ${iterations}`;
  const lines: Line[] = [
    [`Training LeNet-5 on ${datasetText(dataset)}: ${steps} of ${batch} samples on ${threads}, seed ${seed}.`],
    [`Run directory: ${shownPath(run)}`],
  ];
  if (http?.moved) lines.push([`Port ${metricsPort} is taken; the metrics are on another one.`, 'warn']);
  if (http !== undefined)
    lines.push([`Metrics: ${reachable(http.url)}/metrics`], [`Live page: ${reachable(http.url)}/`]);
  return lines;
}

/** The lines that are printed after the last step. */
export function summaryText(summary: Summary, config: TrainConfig): Line[] {
  const { run, steps, testedAt, testAccuracy, trainLoss, weightsSha256, samplesPerSecond, seconds } = summary;
  const place = testedAt === steps ? '' : ` (after step ${testedAt})`;
  const measured = testAccuracy === undefined ? 'not evaluated' : `${(100 * testAccuracy).toFixed(2)} %${place}`;
  const accuracy =
    namedSet(summary.dataset) !== undefined ? `${measured} on ${datasetText(summary.dataset)}` : measured;
  const isDone = steps === config.iterations;
  const title = isDone ? 'Done' : `Stopped after ${steps} of ${config.iterations} steps`;
  const lines: Line[] = [
    [
      `${title}: test accuracy ${accuracy}, training loss ${trainLoss?.toFixed(4) ?? 'unknown'}, ` +
        `${samplesPerSecond} samples/s, ${seconds.toFixed(1)} s.`,
    ],
    [`Weights SHA-256: ${weightsSha256}`],
  ];
  const { networkBytesPerStep: network } = summary;
  if (network !== undefined && network.sent > 0) {
    const [sent, received] = [network.sent, network.received].map((bytes) => `${(bytes / 1000).toFixed(0)} KB`);
    lines.push([`Network: ${sent} sent and ${received} received a step.`]);
  }
  const { remoteWrite: samples } = summary;
  if (samples !== undefined) lines.push([samplesText(samples, run), samples.dropped === 0 ? 'info' : 'warn']);
  const expectation = isDone ? expectationLine(summary, config) : undefined;
  if (expectation !== undefined) lines.push(expectation);
  const checkpoint = typedPath(join(checkpointsFolder(run), checkpointName(steps)));
  if (!isDone) lines.push([`To resume: ${resumeCommand(run, config)}`]);
  else lines.push([`Next: ${commandLine(withOptions(`evaluate ${checkpoint}`, dataAgain(config)), process.env)}`]);
  return lines;
}
