import { startEngine } from '../../coordinator/engine.ts';
import { stepsFile } from '../../coordinator/run/files.ts';
import { LoggedSteps } from '../../coordinator/run/logged-steps.ts';
import type { Manifest } from '../../coordinator/run/manifest.ts';
import type { StepRecord } from '../../coordinator/train/observer.ts';
import type { Checkpoint } from '../../shared/checkpoint/checkpoint.ts';
import type { TrainConfig } from '../../shared/config/config.ts';
import type { Dataset } from '../../shared/data/dataset.ts';
import type { KernelName } from '../../shared/engine/kernel-name.ts';
import type { SharedMemory } from '../../shared/engine/wasm/memory.ts';
import { evaluationIn, isEvaluated } from '../../shared/live/step-scalars.ts';
import type { Print } from '../../shared/util/notice.ts';
import { checkFiles } from './check-files.ts';
import { linesOf } from './log-check.ts';
import { Recomputer, type SpanWork } from './recompute.ts';
import type { RecomputedSpan, Verification } from './result.ts';
import { isGone, type ReadCheckpoint, type Span, sampleSpans, spansFrom, stepsIn } from './spans.ts';

export interface VerificationOptions {
  readonly run: string;
  readonly manifest: Manifest;
  /** Number of spans to compute again, chosen at random; all if there are fewer. */
  readonly spans: number;
  /** In place of those: trains on from the nearest checkpoint at or before this step to the end, as the run did. */
  readonly continuousFrom?: number | undefined;
  readonly workers: number;
  /** The code that computes (default: auto). */
  readonly kernel?: KernelName;
  /** The data set, which is in `memory`. */
  readonly dataset: Dataset;
  /** Not sealed yet. */
  readonly memory: SharedMemory;
  readonly print: Print;
  /** Shows a temporary text about the progress; an empty text removes it. */
  readonly show: (text: string) => void;
}

/**
 * Checks a run's run.json, log, hash chain and checkpoints, and computes spans of it again. It only reads, so the run may be running.
 * @throws WorkerError if workers failed too often
 */
export async function verifyRun(options: VerificationOptions): Promise<Verification> {
  const { run, manifest, print, dataset, continuousFrom } = options;
  const files = await checkFiles({ run, manifest, dataset: dataset.name });
  const { spans, steps, allForeign } = files;
  if (allForeign) print("Left out every step: no checkpoint has the options of run.json, so either isn't this run's.");
  const chosen =
    continuousFrom === undefined
      ? sampleSpans(allForeign ? [] : spans, options.spans)
      : spansFrom(allForeign ? [] : spans, continuousFrom);
  const recomputed = await recomputeSpans(chosen, files.read, options);
  const covered = stepsIn(recomputed);
  return {
    run,
    same: files.same && recomputed.every(({ same }) => same),
    steps,
    recomputed: { spans: recomputed, of: spans.length, steps: covered, share: steps === 0 ? 0 : covered / steps },
    chain: files.chain,
    log: files.log,
    stated: files.stated,
    damaged: files.damaged,
  };
}

async function recomputeSpans(
  spans: readonly Span[],
  read: ReadCheckpoint,
  { run, manifest, workers, kernel = 'auto', dataset, memory, print, show, continuousFrom }: VerificationOptions,
): Promise<RecomputedSpan[]> {
  if (spans.length === 0) return [];
  const config: TrainConfig = { ...manifest.config, workers, kernel };
  const engine = startEngine({ config, memory, dataset });
  const recomputer = new Recomputer({ engine, config, onStep: progressOver(spans, show) });
  const recomputed: RecomputedSpan[] = [];
  const logged = new LoggedSteps(manifest);
  try {
    for await (const { span, lines } of linesOf(stepsFile(run), spans)) {
      const goesOn = continuousFrom !== undefined && recomputed.length > 0;
      const ends = await endsOf(goesOn ? { ...span, start: undefined } : span, read);
      if (ends === undefined) {
        print(`Left out steps ${span.from + 1} to ${span.to}: the run has removed one of their checkpoints meanwhile.`);
        if (continuousFrom !== undefined) break;
        continue;
      }
      // Its ends may be forged steps that are billions away; that lines are missing is the log's problem.
      if (2 * lines.size < logged.count(span.from, span.to)) {
        print(`Left out steps ${span.from + 1} to ${span.to}: the log lacks most of them.`);
        if (continuousFrom !== undefined) break;
        continue;
      }
      const work: SpanWork = { span, lines: withResult(lines, manifest), ...ends };
      const first = await (goesOn ? recomputer.goOn(work) : recomputer.recompute(work));
      const { from, to } = span;
      recomputed.push({ from, to, same: first === undefined, ...(first === undefined ? {} : { first }) });
      // What follows a difference follows from it.
      if (!recomputer.usable || (continuousFrom !== undefined && first !== undefined)) break;
    }
    return recomputed;
  } finally {
    show('');
    await engine.pool.close();
  }
}

/** The lines with the evaluation that only run.json has, since the attempt that did the step abandoned it. */
function withResult(lines: ReadonlyMap<number, StepRecord>, { result }: Manifest): ReadonlyMap<number, StepRecord> {
  const line = lines.get(result?.testedAt ?? 0);
  if (line === undefined || isEvaluated(line)) return lines;
  return new Map([...lines, [line.step, { ...line, ...evaluationIn(result) }]]);
}

interface Ends {
  readonly start: Checkpoint | undefined;
  readonly end: Checkpoint | undefined;
}

/** The checkpoints of a span; undefined if one of them was removed meanwhile. */
async function endsOf({ start, end }: Span, read: ReadCheckpoint): Promise<Ends | undefined> {
  try {
    return {
      start: start === undefined ? undefined : await read(start),
      end: end === undefined ? undefined : await read(end),
    };
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function progressOver(spans: readonly Span[], show: (text: string) => void): (step: number) => void {
  const total = stepsIn(spans).toLocaleString('en-US');
  let done = 0;
  return (step) => {
    done++;
    show(`Recomputing step ${step.toLocaleString('en-US')}: ${done.toLocaleString('en-US')} of ${total} steps`);
  };
}
