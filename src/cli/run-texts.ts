import { join } from 'node:path';
import { checkpointsFolder } from '../coordinator/run/files.ts';
import { resumeCommand, unprintedAgain } from '../coordinator/run/resume.ts';
import { isOver, type Summary, samplesText } from '../coordinator/run/summary.ts';
import type { RunStarted } from '../library/observer.ts';
import { checkpointName } from '../shared/checkpoint/checkpoint-file.ts';
import { isByScore } from '../shared/checkpoint/validation-state.ts';
import { dataAgain, type TrainConfig } from '../shared/config/config.ts';
import { datasetText, standIn } from '../shared/data/registry.ts';
import { evaluationIn } from '../shared/live/step-scalars.ts';
import { specOf } from '../shared/model/registry.ts';
import { commandLine, withOptions } from '../shared/util/command-line.ts';
import type { Print } from '../shared/util/notice.ts';
import { reachable } from '../shared/util/reachable.ts';
import { shownPath, typedPath } from '../shared/util/shown-path.ts';
import { expectationLine } from './expectation.ts';
import { testFigure, validationFigure } from './progress/texts.ts';

/** A line and how serious it is. Default: info. */
export type Line = Parameters<Print>;

/** The lines that are printed before the first step. */
export function announcement({ run, config, dataset, http, from }: RunStarted): Line[] {
  const { iterations, batch, workers, backend, kernel, seed, metricsPort, listen } = config;
  const code = backend === 'kernel' && kernel !== 'wasm' ? ` (${kernel})` : '';
  const own = workers === 0 ? [] : [`${workers} worker thread${workers === 1 ? '' : 's'}${code}`];
  const threads = [...own, ...(listen === undefined ? [] : ['remote nodes'])].join(' and ');
  const steps = from === 0 ? `${iterations} steps` : `steps ${from + 1} to ${iterations}`;
  const lines: Line[] = [
    [
      `Training ${specOf(config).name} on ${datasetText(dataset)}: ${steps} of ${batch} samples on ${threads}, seed ${seed}.`,
    ],
    [`Run directory: ${shownPath(run)}`],
  ];
  if (http?.moved) lines.push([`Port ${metricsPort} is taken; the metrics are on another one.`, 'warn']);
  if (http !== undefined)
    lines.push([`Metrics: ${reachable(http.url)}/metrics`], [`Live page: ${reachable(http.url)}/`]);
  return lines;
}

/** The lines that are printed after the last step. */
export function summaryText(summary: Summary, config: TrainConfig): Line[] {
  const { run, steps, testedAt, trainLoss, weightsSha256, samplesPerSecond, seconds } = summary;
  const place = testedAt === steps ? '' : ` (after step ${testedAt})`;
  const figure = testFigure(evaluationIn(summary));
  const measured = figure === undefined ? 'test loss not evaluated' : `test ${figure.name} ${figure.value}${place}`;
  const tested = standIn(summary.dataset) !== undefined ? `${measured} on ${datasetText(summary.dataset)}` : measured;
  const held = validationFigure(evaluationIn(summary));
  const validated = held === undefined ? '' : `validation ${held.name} ${held.value}${place}, `;
  const isDone = isOver(summary, config.iterations);
  const lines: Line[] = [
    [
      `${titleOf(summary, config)}: ${tested}, ${validated}training loss ${trainLoss?.toFixed(4) ?? 'unknown'}, ` +
        `${samplesPerSecond} samples/s, ${seconds.toFixed(1)} s.`,
    ],
    [`Weights SHA-256: ${weightsSha256}`],
    ...bestLine(summary, config),
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
  if (!isDone) {
    const unprinted = unprintedAgain(config);
    lines.push([`To resume: ${resumeCommand(run, config)}`], ...(unprinted === undefined ? [] : [[unprinted] as Line]));
  } else lines.push([`Next: ${commandLine(withOptions(`evaluate ${checkpoint}`, dataAgain(config)), process.env)}`]);
  return lines;
}

function titleOf({ steps, stoppedEarly }: Summary, { iterations, patience }: TrainConfig): string {
  if (stoppedEarly !== true) return steps === iterations ? 'Done' : `Stopped after ${steps} of ${iterations} steps`;
  const evaluations = patience === 1 ? 'evaluation' : `${patience} evaluations`;
  return `Done after ${steps} of ${iterations} steps, as the last ${evaluations} had no lower validation loss`;
}

/** What was best and, if it was kept, its checkpoint. */
function bestLine({ run, best }: Summary, { keepBest }: TrainConfig): Line[] {
  if (best === undefined) return [];
  const file = shownPath(join(checkpointsFolder(run), checkpointName(best.step)));
  const kept = keepBest ? `: ${file}` : '';
  const figure = isByScore(keepBest) ? validationFigure(best) : undefined;
  const what =
    figure === undefined
      ? `Lowest validation loss: ${best.validationLoss.toFixed(4)}`
      : `Highest validation ${figure.name}: ${figure.value}`;
  return [[`${what} after step ${best.step}${kept}`]];
}
