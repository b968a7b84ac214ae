import { AbandonedError } from '../../shared/engine/executor.ts';
import { StepPipeline } from './pipeline.ts';
import { TrainingProgress } from './progress.ts';
import { RoundPipeline } from './round-pipeline.ts';
import { dueAt } from './schedule.ts';
import type { Training } from './training.ts';
import type { TrainingResult } from './training-result.ts';

/**
 * Trains to the last iteration, until the run stops early, or until stopped. The state after the last applied step is saved, also after
 * a failure.
 * @throws NotFiniteError if a step's loss or gradient norm isn't finite, WorkerError if workers failed too often
 */
export async function train(training: Training): Promise<TrainingResult> {
  const { config, from, optimizer, answers, until = config.iterations } = training;
  const progress = new TrainingProgress(training);
  const parts = { ...training, lastSeconds: from.record?.timings.total, whileComputing: () => progress.notify() };
  const pipeline = config.replicas > 1 ? new RoundPipeline(parts) : new StepPipeline(parts);
  let complete = true;
  try {
    // What stops a run early, or is kept as the best, must not depend on where earlier attempts ended.
    const isAwaited = from.step === until || answers.validation !== undefined;
    if (isAwaited && dueAt(config, from.step).evaluation) await progress.evaluateAbandoned();
    for await (const round of pipeline.rounds(from.step, progress.stopsEarly ? from.step : until)) {
      const steps = await round.reduce(); // throws NotFiniteError: the round is not applied
      const due = dueAt(config, round.end);
      const isLast = round.end === until || training.stop.aborted;
      await round.apply(({ values }) => {
        // The next step would notice weights that aren't finite, so only those that are saved, or that no step follows, are checked.
        if (isLast || due.evaluation || due.checkpoint || due.link) optimizer.requireFinite(round.end - 1, values);
      });
      progress.advance(round, steps);

      if (due.evaluation || due.checkpoint || due.link) progress.hash(due);
      if (due.evaluation) await progress.evaluate();
      const isKept = due.evaluation && config.keepBest && progress.isBest;
      const isAsked = due.isRoundEnd && training.checkpointAsked?.();
      if (isAsked || due.checkpoint || isKept) progress.checkpoint();
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
