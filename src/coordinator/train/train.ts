import { AbandonedError } from '../../shared/engine/executor.ts';
import { StepPipeline } from './pipeline.ts';
import { TrainingProgress } from './progress.ts';
import { dueAt } from './schedule.ts';
import type { Training, TrainingResult } from './training.ts';

/**
 * Trains to the last iteration, until the run stops early, or until stopped. The state after the last applied step is saved, also after
 * a failure.
 * @throws NotFiniteError if a step's loss or gradient norm isn't finite, WorkerError if workers failed too often
 */
export async function train(training: Training): Promise<TrainingResult> {
  const { config, from, optimizer, answers, until = config.iterations } = training;
  const progress = new TrainingProgress(training);
  const pipeline = new StepPipeline({
    ...training,
    lastSeconds: from.record?.timings.total,
    whileComputing: () => progress.notify(),
  });
  let complete = true;
  try {
    // What stops a run early, or is kept as the best, must not depend on where earlier attempts ended.
    const isAwaited = from.step === until || answers.validation !== undefined;
    if (isAwaited && dueAt(config, from.step).evaluation) await progress.evaluateAbandoned();
    for await (const step of pipeline.steps(from.step, progress.stopsEarly ? from.step : until)) {
      const gradient = await step.reduce();
      const norm = optimizer.gradientNorm(step.t, gradient); // throws NotFiniteError: the step is not applied
      const due = dueAt(config, step.t + 1);
      const isLast = step.t + 1 === until || training.stop.aborted;
      await step.apply(optimizer.clipped(step.t, norm), ({ values }) => {
        // The next step would notice weights that aren't finite, so only those that are saved, or that no step follows, are checked.
        if (isLast || due.evaluation || due.checkpoint || due.link) optimizer.requireFinite(step.t, values);
      });
      progress.advance(step, gradient, norm);

      if (due.evaluation || due.checkpoint || due.link) progress.hash(due);
      if (due.evaluation) await progress.evaluate();
      const isKept = due.evaluation && config.keepBest && progress.isBest;
      if (training.checkpointAsked?.() || due.checkpoint || isKept) progress.checkpoint();
      if (progress.stopsEarly) break;
    }
  } catch (error) {
    if (!(error instanceof AbandonedError)) throw error;
    complete = false;
  } finally {
    try {
      progress.notify();
    } finally {
      progress.saveLast();
    }
  }
  return progress.result(complete);
}
