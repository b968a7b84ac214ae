import { LoggedSteps } from '../../coordinator/run/logged-steps.ts';
import type { Manifest } from '../../coordinator/run/manifest.ts';
import type { SavedState } from '../../coordinator/run/own-checkpoint.ts';
import { parseExactLine } from '../../coordinator/run/step-lines.ts';
import { readSteps } from '../../coordinator/run/step-reader.ts';
import { CHAIN_START, HashChain } from '../../coordinator/train/hash-chain.ts';
import type { StepRecord } from '../../coordinator/train/observer.ts';
import { afterEvaluation, NOT_VALIDATED, type ValidationState } from '../../shared/checkpoint/validation-state.ts';
import { isEvaluated } from '../../shared/live/step-scalars.ts';
import { canonicalJson } from '../../shared/util/canonical-json.ts';
import { RunDirectoryError } from '../../shared/util/errors.ts';
import { DueFields } from './due-fields.ts';
import type { Span } from './spans.ts';

/** What was found of the log. */
export interface LogCheck {
  readonly same: boolean;
  /** The last step in the log. */
  readonly last: number;
  readonly lines: number;
  /** The first problem of its lines. */
  readonly problem?: string;
}

/** What was found of the hash chain. */
export interface ChainCheck {
  readonly same: boolean;
  readonly links: number;
  /** The last value, computed from all links. */
  readonly value: string;
  readonly first?: ChainDifference;
}

/** The first link of the hash chain that is another one. */
export interface ChainDifference {
  /** The step of the link; undefined for the last value, which is also in run.json. */
  readonly step?: number;
  readonly logged: string;
  readonly computed: string;
}

export interface LogFindings {
  readonly log: LogCheck;
  readonly chain: ChainCheck;
  /** The last line. */
  readonly last: StepRecord | undefined;
  /** The last line with an evaluation, from the step on at which the last attempt began. */
  readonly evaluated: StepRecord | undefined;
  /** What --keep-best and --patience go by; undefined if the log doesn't have all evaluations, or no samples are held back. */
  readonly validation: ValidationState | undefined;
  /** What the log has of the states of `expected.states`, by step. */
  readonly states: ReadonlyMap<number, SavedState>;
}

export interface LogExpectation {
  /** Steps that the run has at least done, according to its checkpoints and run.json. */
  readonly steps: number;
  /** The hash chain's last value; undefined while the run is running. */
  readonly chain: string | undefined;
  readonly manifest: Manifest;
  /** The steps of whose states there are checkpoints. */
  readonly states: ReadonlySet<number>;
}

const SHA256 = /^[0-9a-f]{64}$/;

/**
 * Reads a whole log, and checks that its steps are 1, 2, 3 and so on, as far as their lines are due, that each has what was due, and
 * that its hash chain follows from its lines.
 */
export async function checkLog(path: string, expected: LogExpectation): Promise<LogFindings> {
  const { manifest } = expected;
  const sequence = new Sequence(new LoggedSteps(manifest));
  const links = new Links();
  const due = new DueFields(manifest);
  const from = manifest.attempts.at(-1)?.from ?? 0;
  const states = new Map<number, SavedState>();
  let last: StepRecord | undefined;
  let evaluated: StepRecord | undefined;
  let chain = CHAIN_START;
  let validation = manifest.config.validation > 0 ? NOT_VALIDATED : undefined;
  /** Steps without a line have the chain and the evaluations of the line before. */
  const waiting = [...expected.states].filter((step) => step > 0).sort((a, b) => a - b);
  const settle = (before: number): void => {
    while ((waiting[0] ?? before) < before) {
      const state = { chain, weightsSha256: undefined, validation: validation && canonicalJson(validation) };
      states.set(waiting.shift() as number, state);
    }
  };
  for await (const record of readableSteps(path, (problem) => sequence.fail(problem))) {
    const { step, weightsSha256 } = record;
    sequence.add(record);
    settle(step);
    const problem = due.problemOf(record);
    if (problem !== undefined) sequence.fail(problem);
    if (record.chain !== undefined) links.add(record, record.chain);
    chain = record.chain ?? chain;
    if (due.isAbandoned(record)) validation = undefined;
    validation = validation && afterEvaluation(validation, record);
    if (waiting[0] === step) {
      waiting.shift();
      states.set(step, { chain, weightsSha256, validation: validation && canonicalJson(validation) });
    }
    if (isEvaluated(record) && step >= from) evaluated = record;
    last = record;
  }
  sequence.end(expected.steps);
  // A log that isn't whole says nothing of what is behind its end.
  if (sequence.check.same) settle(Number.POSITIVE_INFINITY);
  links.end(expected.chain);
  return { log: sequence.check, chain: links.check, last, evaluated, validation, states };
}

/** The log's lines by step, for each of `spans`, which must be in order. Only one span's lines are in memory at a time. */
export async function* linesOf(
  path: string,
  spans: readonly Span[],
): AsyncGenerator<{ readonly span: Span; readonly lines: ReadonlyMap<number, StepRecord> }, void, undefined> {
  const steps = readableSteps(path);
  try {
    let next = await steps.next();
    for (const span of spans) {
      const lines = new Map<number, StepRecord>();
      for (; !next.done && next.value.step <= span.to; next = await steps.next()) {
        if (next.value.step > span.from) lines.set(next.value.step, next.value);
      }
      yield { span, lines };
    }
  } finally {
    await steps.return();
  }
}

/** The steps of a log up to the first line that can't be read, whose problem is passed to `found`. */
async function* readableSteps(
  path: string,
  found: (problem: string) => void = () => {},
): AsyncGenerator<StepRecord, void, undefined> {
  try {
    yield* readSteps(path, { parse: parseExactLine });
  } catch (error) {
    if (!(error instanceof RunDirectoryError)) throw error;
    found(error.message);
  }
}

/** Checks that steps follow each other without gaps, but for lines that aren't due, and that their times rise. */
class Sequence {
  readonly #logged: LoggedSteps;
  #last = 0;
  #lines = 0;
  /** The last line wasn't due: it is that of the step at which the run ended so far, if no other follows. */
  #isUndue = false;
  #at = 0;
  #problem: string | undefined;

  constructor(logged: LoggedSteps) {
    this.#logged = logged;
  }

  add(record: StepRecord): void {
    const { step, timings } = record;
    const { at } = timings;
    this.#lines++;
    const lacking = this.#lackingUntil(step - 1);
    if (lacking !== undefined) this.fail(`${stepsText(lacking, step - 1)} missing`);
    else if (step === this.#last) this.fail(`step ${step} is there twice`);
    else if (step < this.#last) this.fail(`step ${step} comes after step ${this.#last}`);
    else if (at !== undefined && at < this.#at)
      this.fail(`step ${step} has a timings.at that is before step ${this.#last}'s`);
    if (this.#isUndue) this.fail(`step ${this.#last} has a line, which wasn't due (run.json: logEvery)`);
    this.#isUndue = !this.#logged.isDue(record);
    this.#last = Math.max(this.#last, step);
    this.#at = at ?? this.#at;
  }

  end(steps: number): void {
    const lacking = this.#lackingUntil(steps);
    if (lacking !== undefined) this.fail(`${stepsText(lacking, steps)} missing at its end`);
  }

  /** The first step behind the last line, up to `step`, whose line is due. */
  #lackingUntil(step: number): number | undefined {
    return step > this.#last ? this.#logged.first(this.#last + 1, step) : undefined;
  }

  /** Keeps the first problem only, because others may follow from it. */
  fail(problem: string): void {
    this.#problem ??= problem;
  }

  get check(): LogCheck {
    const problem = this.#problem;
    return {
      same: problem === undefined,
      last: this.#last,
      lines: this.#lines,
      ...(problem === undefined ? {} : { problem }),
    };
  }
}

/** Checks the links of the hash chain. */
class Links {
  readonly #chain = new HashChain();
  #count = 0;
  #first: ChainDifference | undefined;

  add({ step, loss, weightsSha256 = '' }: StepRecord, logged: string): void {
    this.#count++;
    // A link needs the hash of the weights, so a line that has a link without a hash was altered.
    const computed = SHA256.test(weightsSha256) ? this.#chain.link({ step, loss, weightsSha256 }) : 'no weightsSha256';
    if (computed !== logged) this.#first ??= { step, logged, computed };
  }

  end(expected: string | undefined): void {
    const computed = this.#chain.value;
    if (expected !== undefined && expected !== computed) this.#first ??= { logged: expected, computed };
  }

  get check(): ChainCheck {
    const first = this.#first;
    const { value } = this.#chain;
    return { same: first === undefined, links: this.#count, value, ...(first === undefined ? {} : { first }) };
  }
}

function stepsText(from: number, to: number): string {
  return from === to ? `step ${from} is` : `steps ${from} to ${to} are`;
}
