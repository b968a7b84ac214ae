import type { Engine } from '../../coordinator/engine.ts';
import { FIELDS_ALWAYS, FIELDS_TAKEN, parseStepLine, stepLine } from '../../coordinator/run/step-lines.ts';
import { HashChain } from '../../coordinator/train/hash-chain.ts';
import type { StepRecord } from '../../coordinator/train/observer.ts';
import { train } from '../../coordinator/train/train.ts';
import { type Checkpoint, trainingStateOf, weightsSha256 } from '../../shared/checkpoint/checkpoint.ts';
import type { TrainConfig } from '../../shared/config/config.ts';
import { isEvaluated } from '../../shared/live/step-scalars.ts';
import { initialWeights } from '../../shared/model/initialize.ts';
import { NotFiniteError } from '../../shared/util/errors.ts';
import type { Difference } from './result.ts';
import type { Span } from './spans.ts';

export interface SpanWork {
  readonly span: Span;
  /** The log's lines by step. */
  readonly lines: ReadonlyMap<number, StepRecord>;
  /** The checkpoint that the span begins with; undefined if its weights are drawn from the seed. */
  readonly start: Checkpoint | undefined;
  /** The checkpoint to compare with; undefined if there is none. */
  readonly end: Checkpoint | undefined;
}

export interface RecomputerOptions {
  readonly engine: Engine;
  /** The run's configuration, with any number of workers. */
  readonly config: TrainConfig;
  /** Called with each step that was computed. */
  readonly onStep: (step: number) => void;
}

/** A resumed run may take these at other intervals, so they are compared only if the log has them. */
const FIELDS_OPTIONAL = FIELDS_TAKEN.filter((field) => field !== 'chain');

/** Computes spans of a run again, by one engine. */
export class Recomputer {
  readonly #options: RecomputerOptions;
  #usable = true;
  #chain = new HashChain();

  constructor(options: RecomputerOptions) {
    this.#options = options;
  }

  /** False after a loss that wasn't finite: steps after it were under way and won't be finished. */
  get usable(): boolean {
    return this.#usable;
  }

  /**
   * Trains a span as the run did, up to the first difference.
   * @returns the difference; undefined if there is none
   * @throws WorkerError if workers failed too often
   */
  async recompute(work: SpanWork): Promise<Difference | undefined> {
    place(work.start, this.#options);
    this.#chain = new HashChain(work.start?.chain);
    return this.goOn(work);
  }

  /** The same from the state at the end of the span before, whatever the checkpoint there holds. */
  async goOn({ span, lines, end }: Omit<SpanWork, 'start'>): Promise<Difference | undefined> {
    const { engine } = this.#options;
    const chain = this.#chain;
    const comparison = new Comparison(lines, engine);
    let step = span.from;
    for (const until of stopsOf(span, lines)) {
      await this.#train({ from: { step }, until, chain, comparison });
      if (comparison.first !== undefined) return comparison.first;
      step = until;
    }
    return end === undefined ? undefined : differenceAtEnd(end, engine, chain);
  }

  async #train({ comparison, ...part }: Part): Promise<void> {
    const { engine, config, onStep } = this.#options;
    const { pool: executor, state, optimizer, answers } = engine;
    // A step is evaluated if the log has its evaluation, because the run's interval may have changed since.
    const evaluateEvery = isEvaluated(comparison.lines.get(part.until)) ? part.until : 0;
    const observer = {
      onStep: (record: StepRecord) => {
        comparison.add(record);
        onStep(record.step);
      },
      onEvaluation: () => {},
    };
    try {
      await train({
        ...part,
        executor,
        state,
        optimizer,
        answers,
        observer,
        config: { ...config, evaluateEvery, checkpointEvery: 0, patience: 0, keepBest: false },
        checkpoint: () => {},
        stop: comparison.ended,
      });
    } catch (error) {
      if (!(error instanceof NotFiniteError)) throw error;
      this.#usable = false;
      const logged = comparison.lines.get(error.step)?.loss ?? null;
      comparison.found({ step: error.step, field: 'loss', logged, computed: 'not finite' });
    }
  }
}

interface Part {
  readonly from: { readonly step: number };
  readonly until: number;
  readonly chain: HashChain;
  readonly comparison: Comparison;
}

/** Compares computed steps with the log's lines. */
class Comparison {
  readonly lines: ReadonlyMap<number, StepRecord>;
  readonly #engine: Engine;
  readonly #end = new AbortController();
  #first: Difference | undefined;

  constructor(lines: ReadonlyMap<number, StepRecord>, engine: Engine) {
    this.lines = lines;
    this.#engine = engine;
  }

  /** The first difference; undefined if there was none so far. */
  get first(): Difference | undefined {
    return this.#first;
  }

  /** Aborted by the first difference, because later steps follow from it. */
  get ended(): AbortSignal {
    return this.#end.signal;
  }

  found(difference: Difference): void {
    this.#first ??= difference;
    this.#end.abort();
  }

  /** Compares a step. Must be called while the engine's state is the one after the step. */
  add(record: StepRecord): void {
    const logged = this.lines.get(record.step);
    if (logged === undefined || this.#first !== undefined) return;
    const hash = logged.weightsSha256 === undefined ? {} : { weightsSha256: this.#weightsSha256() };
    // Converted to a line and back, because lines have neither infinity nor negative zero.
    const computed = parseStepLine(stepLine({ ...record, ...hash }));
    const taken = FIELDS_OPTIONAL.filter((field) => logged[field] !== undefined);
    // The chain is always compared, because its interval never changes.
    const field = [...FIELDS_ALWAYS, ...taken, 'chain' as const].find(
      (name) => !Object.is(logged[name], computed?.[name]),
    );
    if (field === undefined) return;
    this.found({ step: record.step, field, logged: logged[field] ?? null, computed: computed?.[field] ?? null });
  }

  #weightsSha256(): string {
    return weightsSha256(this.#engine.state.current.values);
  }
}

/** The steps after which training pauses: those that were evaluated, and the last one. */
function stopsOf({ to }: Span, lines: ReadonlyMap<number, StepRecord>): number[] {
  const evaluated = [...lines.values()].filter(isEvaluated).map(({ step }) => step);
  return [...new Set([...evaluated, to])].sort((a, b) => a - b);
}

/** Loads a span's initial state into the engine. */
export function place(
  start: Checkpoint | undefined,
  { engine, config }: Pick<RecomputerOptions, 'engine' | 'config'>,
): void {
  const { layout, kernel, state } = engine;
  const initial = start === undefined ? undefined : trainingStateOf(start, layout);
  state.load(initial?.weights ?? initialWeights(layout, config.seed, kernel.squareRoot), initial?.optimizer);
}

function differenceAtEnd(end: Checkpoint, { layout, state }: Engine, chain: HashChain): Difference | undefined {
  const { weights, optimizer } = trainingStateOf(end, layout);
  const { values, m, v } = state.current;
  const pairs = [
    ['weightsSha256', weightsSha256(weights), weightsSha256(values)],
    ['optimizer.m', weightsSha256(optimizer.m), weightsSha256(m)],
    ['optimizer.v', optimizer.v && weightsSha256(optimizer.v), v && weightsSha256(v)],
    ['chain', end.chain, chain.value],
  ] as const;
  const found = pairs.find(([, held, computed]) => held !== computed);
  if (found === undefined) return undefined;
  const [field, logged = null, computed = null] = found;
  return { step: end.step, field: `checkpoint.${field}`, logged, computed };
}
