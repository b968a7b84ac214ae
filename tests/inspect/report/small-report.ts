import { History } from '#src/coordinator/observe/web/history.js';
import type { ReportData, ReportRun, TestSet } from '#src/inspect/report/data.js';
import { type Report, reportOf } from '#src/inspect/report/page.js';
import { weightsSha256 } from '#src/shared/checkpoint/checkpoint.js';
import { packSeries } from '#src/shared/live/packed-series.js';
import { REPORT_QUANTITIES } from '#src/shared/live/report-curves.js';
import { layoutOf, type ModelLayout } from '#src/shared/model/layout.js';
import { parseModel } from '#src/shared/model/parse.js';
import { specOf } from '#src/shared/model/registry.js';
import { descended, smallSet, type TargetKind } from '../../support/small-set.ts';
import { stepRecord } from '../../support/step-record.ts';

const STEPS = [1, 40] as const;

/** A report, and what it is about. */
export interface SmallReport extends Report {
  readonly test: TestSet;
}

/** A report on a model after a step and after some more, with the small set that it was trained on. */
export function smallReport(layout: ModelLayout, test: TestSet): SmallReport {
  const history = new History(STEPS[1]);
  for (let step = 1; step <= STEPS[1]; step++) history.step(stepRecord(step, { loss: 2 / step }));
  const series = packSeries(history.view.series, REPORT_QUANTITIES);
  const run: ReportRun = {
    name: layout.spec.name,
    state: 'done',
    dataset: test.name,
    curves: { name: layout.spec.name, iterations: STEPS[1], batch: 8, series, tests: [] },
    strangeLines: [],
    facts: [],
  };
  const snapshots = STEPS.map((step) => {
    const weights = descended(layout, test, step);
    return { run: 0, step, file: `checkpoints/${step}`, layout, weights, weightsSha256: weightsSha256(weights) };
  });
  const data: ReportData = { runs: [run], snapshots, test, image: 3, warnings: [], version: '0' };
  return { ...reportOf(data), test };
}

/** A preset on a small set of its own. */
export function presetReport(
  model: string,
  shape: TestSet['shape'],
  names: readonly string[],
  count = 64,
): SmallReport {
  const data = { ...shape, classes: names.length };
  const layout = layoutOf(specOf({ model, head: 'softmax', rbfJ: 0.1 }, data));
  return smallReport(layout, smallSet(shape, names, count));
}

/** A linear model of many classes with names of their own. */
export function manyClassesReport(classes: number): SmallReport {
  const shape = { maps: 1, height: 4, width: 4 };
  const names = Array.from({ length: classes }, (_, i) => `kind ${i.toString(36)}`);
  const spec = { name: 'linear', layers: [{ name: 'fc', kind: 'dense' }], head: 'softmax' };
  const layout = layoutOf(parseModel(spec, { ...shape, classes }, 'test'));
  return smallReport(layout, smallSet(shape, names, 3 * classes));
}

/** A small convolution in front of another head. */
export function headReport(head: 'sigmoid' | 'mse', kind: TargetKind, names: readonly string[]): SmallReport {
  const shape = { maps: 2, height: 9, width: 7 };
  const layers = [
    { name: 'conv', kind: 'conv', maps: 4, kernel: 3, padding: 'same' },
    { kind: 'batch-norm' },
    { kind: 'relu' },
    { kind: 'average-pool', size: 2 },
    { name: 'fc', kind: 'dense' },
  ];
  const data = { ...shape, classes: names.length };
  const layout = layoutOf(parseModel({ name: `small-${head}`, layers, head }, data, 'test'));
  return smallReport(layout, smallSet(shape, names, 48, kind));
}
