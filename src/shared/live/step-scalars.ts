// The scalars of a step. An entry of STEP_SCALARS and a row of docs/metrics.md are all that a new one needs: the step log, /metrics,
// remote write, OpenMetrics, TensorBoard and the live page read them from here.

import type { Evaluation, StepRecord } from './step-record.ts';

export type { Evaluation, StepRecord, StepTimings } from './step-record.ts';

/** Whether a step has the result of an evaluation. */
export function isEvaluated(step: Evaluation | undefined): boolean {
  return EVALUATION_FIELDS.some((key) => step?.[key] !== undefined);
}

/** What an evaluation found, of a record that may have more. */
export function evaluationIn(record: { readonly [key in EvaluationField]?: number | undefined } = {}): Evaluation {
  const found = EVALUATION_FIELDS.map((key) => [key, record[key]] as const);
  return Object.fromEntries(found.filter(([, value]) => value !== undefined));
}

/** Ratios are 0..1. */
export type Unit = 'number' | 'ratio' | 'seconds';

/** A chart of the live page. */
export interface ScalarChart {
  readonly title: string;
  /** Whether the chart has a switch to a logarithmic scale, which is on at first. */
  readonly isLogarithmic?: boolean;
  /** A switch that hides values below `least`, which is on at first. */
  readonly closeUp?: { readonly label: string; readonly least: number } | undefined;
  /** Height as a ratio of a full chart's. */
  readonly height?: number;
  /** Whether reports have the curve too. */
  readonly isInReport?: boolean;
}

interface Scalar {
  /** The name in code, and in steps.jsonl if it is a field there. */
  readonly key: string;
  readonly unit: Unit;
  /** A sentence for Prometheus, OpenMetrics, TensorBoard and docs/metrics.md. */
  readonly help: string;
  /** Whether steps.jsonl has a field of this name; otherwise the value follows from other fields. */
  readonly isField: boolean;
  /** The series in Prometheus that has a sample for every step. */
  readonly metric: string;
  /** Whether /metrics has the last value, as a gauge of that name. */
  readonly isGauge: boolean;
  /** TensorBoard's tag. */
  readonly tag: string;
  /** Whether such runs have it; undefined: all have. */
  readonly isOf?: (run: MeasuredRun) => boolean;
}

export interface MeasuredRun {
  readonly hasAccuracy: boolean;
  /** Whether training samples are held back. */
  readonly hasValidation: boolean;
  readonly hasReplicas: boolean;
}

/** A scalar that every step of a model has that has it at all. */
export interface UpdateScalar extends Scalar {
  readonly when: 'update';
  readonly read: (record: StepRecord) => number | undefined;
  /** Undefined: the live page doesn't have it. */
  readonly chart?: ScalarChart;
}

/** A scalar that a step has if it was evaluated; steps.jsonl has null if it isn't finite. */
interface EvaluationScalar extends Scalar {
  readonly when: 'evaluation';
  readonly read: (evaluation: Evaluation) => number | undefined;
  /** Its key in the live page's test points: the scalar in whose chart it is drawn, if it is in one; undefined: the page doesn't have it. */
  readonly chartOf?: string;
  /** The scalar in whose chart it is drawn as one of the validation samples. */
  readonly validationOf?: string;
}

export type StepScalar = UpdateScalar | EvaluationScalar;

/** All scalars of a step, in the order in which they are written. */
export const STEP_SCALARS = [
  {
    key: 'loss',
    unit: 'number',
    help: "Mean loss over the step's batch, before its update.",
    when: 'update',
    read: ({ loss }) => loss,
    isField: true,
    metric: 'lockstep_train_loss',
    isGauge: true,
    tag: 'train/loss',
    chart: { title: 'Loss', isLogarithmic: true, isInReport: true },
  },
  {
    key: 'accuracy',
    unit: 'ratio',
    help: "Share of the step's batch that is classified correctly, 0 to 1, before its update.",
    when: 'update',
    read: ({ accuracy }) => accuracy,
    isField: true,
    metric: 'lockstep_train_accuracy_ratio',
    isGauge: true,
    tag: 'train/accuracy',
    isOf: ({ hasAccuracy }) => hasAccuracy,
    chart: { title: 'Accuracy', closeUp: { label: 'from 90 %', least: 0.9 }, isInReport: true },
  },
  {
    key: 'learningRate',
    unit: 'number',
    help: 'Learning rate of the step.',
    when: 'update',
    read: ({ learningRate }) => learningRate,
    isField: true,
    metric: 'lockstep_learning_rate',
    isGauge: true,
    tag: 'train/learning_rate',
    chart: { title: 'Learning rate', height: 0.6, isInReport: true },
  },
  {
    key: 'gradientNorm',
    unit: 'number',
    help: "L2 norm of the step's mean gradient, before clipping.",
    when: 'update',
    read: ({ gradientNorm }) => gradientNorm,
    isField: true,
    metric: 'lockstep_gradient_norm',
    isGauge: true,
    tag: 'train/gradient_norm',
    chart: { title: 'Gradient norm', isLogarithmic: true, height: 0.6 },
  },
  {
    key: 'replicaDivergence',
    unit: 'number',
    help: "Mean squared distance of the replicas' weights to their average over the squared length of the average's step, in the step's round.",
    when: 'update',
    read: ({ replicaDivergence }) => replicaDivergence,
    isField: true,
    metric: 'lockstep_replica_divergence',
    isGauge: true,
    tag: 'train/replica_divergence',
    isOf: ({ hasReplicas }) => hasReplicas,
    chart: { title: 'Divergence of replicas', isLogarithmic: true, height: 0.6 },
  },
  {
    key: 'seconds',
    unit: 'seconds',
    help: 'Time of the step, from drawing its samples to the updated weights, without evaluation and checkpoint.',
    when: 'update',
    read: ({ timings }) => timings.total,
    isField: false,
    metric: 'lockstep_last_step_duration_seconds',
    // There it is a histogram.
    isGauge: false,
    tag: 'train/step_seconds',
    chart: { title: 'Time of a step', height: 0.6 },
  },
  {
    key: 'testAccuracy',
    unit: 'ratio',
    help: 'Share of the test set that is classified correctly, 0 to 1, after the update.',
    when: 'evaluation',
    read: ({ testAccuracy }) => testAccuracy,
    isField: true,
    metric: 'lockstep_test_accuracy_ratio',
    isGauge: true,
    tag: 'test/accuracy',
    chartOf: 'accuracy',
    isOf: ({ hasAccuracy }) => hasAccuracy,
  },
  {
    key: 'testR2',
    unit: 'number',
    help: 'R², the share of the variance of the numbers in the test set that is explained, at most 1, after the update.',
    when: 'evaluation',
    read: ({ testR2 }) => testR2,
    isField: true,
    metric: 'lockstep_test_r2',
    isGauge: true,
    tag: 'test/r2',
    // In no chart: but for its scale the curve is that of the loss.
    chartOf: 'r2',
    isOf: ({ hasAccuracy }) => !hasAccuracy,
  },
  {
    key: 'testLoss',
    unit: 'number',
    help: 'Mean loss over the test set, after the update.',
    when: 'evaluation',
    read: ({ testLoss }) => testLoss,
    isField: true,
    metric: 'lockstep_test_loss',
    isGauge: true,
    tag: 'test/loss',
    chartOf: 'loss',
  },
  {
    key: 'validationAccuracy',
    unit: 'ratio',
    help: 'Share of the validation samples that is classified correctly, 0 to 1, after the update.',
    when: 'evaluation',
    read: ({ validationAccuracy }) => validationAccuracy,
    isField: true,
    metric: 'lockstep_validation_accuracy_ratio',
    isGauge: true,
    tag: 'validation/accuracy',
    validationOf: 'accuracy',
    isOf: ({ hasAccuracy, hasValidation }) => hasAccuracy && hasValidation,
  },
  {
    key: 'validationR2',
    unit: 'number',
    help: 'R², the share of the variance of the numbers in the validation samples that is explained, at most 1, after the update.',
    when: 'evaluation',
    read: ({ validationR2 }) => validationR2,
    isField: true,
    metric: 'lockstep_validation_r2',
    isGauge: true,
    tag: 'validation/r2',
    isOf: ({ hasAccuracy, hasValidation }) => !hasAccuracy && hasValidation,
  },
  {
    key: 'validationLoss',
    unit: 'number',
    help: 'Mean loss over the validation samples, after the update.',
    when: 'evaluation',
    read: ({ validationLoss }) => validationLoss,
    isField: true,
    metric: 'lockstep_validation_loss',
    isGauge: true,
    tag: 'validation/loss',
    validationOf: 'loss',
    isOf: ({ hasValidation }) => hasValidation,
  },
] as const satisfies readonly StepScalar[];

type Entry = (typeof STEP_SCALARS)[number];

/** The fields of steps.jsonl that every step has, and those that an evaluation adds. */
export type UpdateField = Extract<Entry, { when: 'update'; isField: true }>['key'];
export type EvaluationField = Extract<Entry, { when: 'evaluation'; isField: true }>['key'];

export const UPDATE_FIELDS = fieldsOf('update') as readonly UpdateField[];
export const EVALUATION_FIELDS = fieldsOf('evaluation') as readonly EvaluationField[];

/** The fields of steps.jsonl that some runs have none of. */
export const FIELDS_OF_SOME: ReadonlySet<string> = new Set(
  STEP_SCALARS.filter((scalar) => 'isOf' in scalar).map(({ key }) => key),
);

/** Whether such a run has a field. */
export function isMeasured(field: UpdateField | EvaluationField, run: MeasuredRun): boolean {
  const scalar: StepScalar | undefined = STEP_SCALARS.find(({ key }) => key === field);
  return scalar?.isOf?.(run) ?? true;
}

/** The scalars of a step that have a chart. */
export type Quantity = ChartedScalar['key'];
type ChartedScalar = Extract<Entry, { chart: ScalarChart }>;
export const CHARTED_SCALARS: readonly ChartedScalar[] = STEP_SCALARS.filter((scalar) => 'chart' in scalar);

/** The quantities in whose charts an evaluation's scalar is drawn. */
export type TestedQuantity = TestedScalar['chartOf'];
type TestedScalar = Extract<Entry, { chartOf: string }>;
export const TESTED_SCALARS: readonly TestedScalar[] = STEP_SCALARS.filter((scalar) => 'chartOf' in scalar);

/** The scalars of an evaluation on the validation samples that are in a chart. */
export type ValidatedQuantity = ValidatedScalar['validationOf'];
type ValidatedScalar = Extract<Entry, { validationOf: string }>;
export const VALIDATED_SCALARS: readonly ValidatedScalar[] = STEP_SCALARS.filter((scalar) => 'validationOf' in scalar);

function fieldsOf(when: StepScalar['when']): string[] {
  return STEP_SCALARS.filter((scalar) => scalar.when === when && scalar.isField).map(({ key }) => key);
}
