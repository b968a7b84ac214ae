import { STEP_SCALARS, type StepRecord, type Unit } from '../../../shared/live/step-scalars.ts';

/** A series with one sample for every step, at the step's own time. */
export interface StepSeries {
  readonly name: string;
  readonly help: string;
  readonly unit: Unit;
  /** Undefined: the step has no sample. */
  readonly read: (record: StepRecord) => number | undefined;
}

/** What remote write sends and `lockstep metrics --openmetrics` prints, in this order. */
export const STEP_SERIES: readonly StepSeries[] = [
  { name: 'lockstep_step', help: 'Updates of the run done.', unit: 'number', read: ({ step }) => step },
  ...STEP_SCALARS.map(({ metric: name, help, unit, read }) => ({ name, help, unit, read })),
];

/** The value of a series as steps.jsonl has it: without infinity. */
export function sampleOf({ read }: StepSeries, record: StepRecord): number | undefined {
  const value = read(record);
  return value === undefined || Number.isFinite(value) ? value : Number.NaN;
}
