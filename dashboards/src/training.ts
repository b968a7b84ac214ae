import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { RowBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { frame } from './frame.ts';
import { againstStep, graph, stat } from './panels.ts';
import { curve, either, perAttempt, perRun, RUN, scraped, stepCurve } from './queries.ts';
import { table } from './tables.ts';
import { PROGRESS, SAMPLES_A_SECOND, speed, TIME_LEFT } from './training-speed.ts';

const EVERY_STEP = 'With --remote-write every step counts; without, the values that happened to be there at a scrape.';

/** Loss, accuracy, speed and progress of one run, or of several side by side. */
export function trainingDashboard(): Dashboard {
  const dashboard = frame({
    title: 'Lockstep / Training',
    uid: 'lockstep-training',
    description:
      'Loss, accuracy, speed and progress of training runs, live or afterwards, one or several side by side.',
    runs: 'many',
  });
  const rows = {
    Now: [...progress(), ...results(), ...pace()],
    'Loss and accuracy': [...overTime(), ...overSteps()],
    'The optimizer': optimizer(),
    Speed: speed(),
    Runs: [runs()],
  };
  for (const [title, panels] of Object.entries(rows)) {
    dashboard.withRow(new RowBuilder(title));
    for (const panel of panels) dashboard.withPanel(panel);
  }
  return dashboard.build();
}

function progress() {
  return [
    stat(
      {
        title: 'Progress',
        description:
          'Share of the steps that the run is to do which are done. A resumed run continues from where it was.',
        unit: 'percentunit',
        columns: 4,
        decimals: 1,
      },
      curve(PROGRESS, RUN),
    ),
    stat(
      {
        title: 'Time left',
        description: 'The steps that are left at the speed of now. It is the last known value where a run has ended.',
        unit: 'dtdurations',
        columns: 4,
        decimals: 0,
      },
      curve(TIME_LEFT, RUN),
    ),
  ];
}

/** Curves that have a value at each evaluation alone. */
const EVALUATED = /^(Test|Validation)/;

function results() {
  return [
    stat(
      {
        title: 'Training loss',
        description: `How wrong the network is on the images it learns from; 2.3 is guessing, 0 is perfect. ${EVERY_STEP}`,
        unit: 'none',
        columns: 4,
        decimals: 4,
        sparkline: true,
      },
      curve(perRun('lockstep_train_loss', 'avg'), RUN),
    ),
    stat(
      {
        title: 'Test accuracy',
        description:
          'Share of the test images, which it never learns from, that it classified right at the last evaluation.',
        unit: 'percentunit',
        columns: 4,
        decimals: 2,
        none: 'none yet',
        sparkline: true,
      },
      curve(perRun('lockstep_test_accuracy_ratio', 'last'), RUN),
    ),
  ];
}

function pace() {
  return [
    stat(
      {
        title: 'Throughput',
        description: 'Training samples used a second. It is the last known value where a run has ended.',
        unit: 'short',
        columns: 4,
        decimals: 1,
        sparkline: true,
      },
      curve(SAMPLES_A_SECOND, RUN),
    ),
    stat(
      {
        title: 'Workers',
        description:
          'Threads that are ready to compute, here and on all nodes. More of them change the speed, never the result.',
        unit: 'none',
        columns: 4,
        levels: ['red', [1, 'green']],
        sparkline: true,
      },
      curve(`sum by (run, id) (${scraped('lockstep_workers', 'state="ready"')})`, RUN),
    ),
  ];
}

function overTime() {
  return [
    graph(
      {
        title: 'Loss',
        description:
          'Mean loss over time, on a logarithmic scale; it should fall. Training: on the images that it learns from, the mean of all ' +
          'steps between two points. Test, and validation if samples are held back: at each evaluation. A test loss that rises while ' +
          `the training loss falls is overfitting. ${EVERY_STEP}`,
        unit: 'none',
        columns: 12,
        log: true,
        points: EVALUATED,
      },
      stepCurve(perRun('lockstep_train_loss', 'avg'), `Training ${RUN}`),
      stepCurve(perRun('lockstep_test_loss', 'last'), `Test ${RUN}`),
      stepCurve(perRun('lockstep_validation_loss', 'last'), `Validation ${RUN}`),
    ),
    graph(
      {
        title: 'Accuracy',
        description:
          "Share of samples classified right over time, or R² of numbers; it should rise. Training: of the steps' own batches. Test, and " +
          `validation if samples are held back: at each evaluation. ${EVERY_STEP}`,
        unit: 'percentunit',
        columns: 12,
        max: 1,
        points: EVALUATED,
      },
      stepCurve(perRun('lockstep_train_accuracy_ratio', 'avg'), `Training ${RUN}`),
      stepCurve(rightOf('test'), `Test ${RUN}`),
      stepCurve(rightOf('validation'), `Validation ${RUN}`),
    ),
  ];
}

/** The accuracy of models that tell classes, R² of those that tell numbers. */
function rightOf(part: 'test' | 'validation'): string {
  return `${perRun(`lockstep_${part}_accuracy_ratio`, 'last')} or ${perRun(`lockstep_${part}_r2`, 'last')}`;
}

function overSteps() {
  const step = perAttempt('lockstep_step', 'max');
  return [
    againstStep({
      title: 'Loss by step',
      description:
        'The same by the number of steps done: runs of different speed, or from different hours, become comparable. A resumed run has a curve ' +
        'for each attempt; where two attempts did the same step, they lie on each other.',
      unit: 'none',
      columns: 12,
      log: true,
      step,
      values: { Training: perAttempt('lockstep_train_loss', 'avg'), Test: perAttempt('lockstep_test_loss', 'last') },
    }),
    againstStep({
      title: 'Accuracy by step',
      description: 'The same by the number of steps done, a curve for each attempt of a run.',
      unit: 'percentunit',
      columns: 12,
      max: 1,
      step,
      values: {
        Training: perAttempt('lockstep_train_accuracy_ratio', 'avg'),
        Test: perAttempt('lockstep_test_accuracy_ratio', 'last'),
      },
    }),
  ];
}

function optimizer() {
  return [
    graph(
      {
        title: 'Learning rate',
        description:
          'How far a step moves the weights. It warms up in the first steps, then follows the schedule of the run.',
        unit: 'none',
        columns: 8,
        min: 0,
      },
      stepCurve(perRun('lockstep_learning_rate', 'last'), RUN),
    ),
    graph(
      {
        title: 'Gradient norm',
        description:
          'Length of the gradient before any clipping, on a logarithmic scale: the mean and the largest of all steps between two points. Growth over ' +
          `powers of ten means that the run diverges: lower --learning-rate, or set --clip-norm. ${EVERY_STEP}`,
        unit: 'none',
        columns: 8,
        log: true,
      },
      stepCurve(perRun('lockstep_gradient_norm', 'avg'), `Mean ${RUN}`),
      stepCurve(perRun('lockstep_gradient_norm', 'max'), `Largest ${RUN}`),
    ),
    graph(
      {
        title: 'Spread of the loss',
        description:
          'The best and the worst batch between two points, on a logarithmic scale. Single batches are noisy; a wide spread late in a run is ordinary, a ' +
          `rising upper edge is not. ${EVERY_STEP}`,
        unit: 'none',
        columns: 8,
        log: true,
      },
      stepCurve(perRun('lockstep_train_loss', 'min'), `Lowest ${RUN}`),
      stepCurve(perRun('lockstep_train_loss', 'max'), `Highest ${RUN}`),
    ),
  ];
}

function runs() {
  const labels = 'run, id, model, dataset, backend, optimizer, seed, batch, version';
  const inRange = (name: string, over: string): string => `${over} by (run, id) (${over}_over_time(${name}[$__range]))`;
  return table({
    title: 'Runs in this time',
    description:
      'Each run that was there in the time shown: what it trains, how far it got and the best that its evaluations found.',
    unit: 'none',
    columns: 24,
    hidden: ['Value #A'],
    values: {
      Info: `max by (${labels}) (max_over_time(${scraped('lockstep_run_info')}[$__range]))`,
      Attempts: inRange(scraped('lockstep_attempt'), 'max'),
      Step: inRange(either('lockstep_step'), 'max'),
      'Steps to do': inRange(scraped('lockstep_iterations'), 'max'),
      'Lowest test loss': inRange(either('lockstep_test_loss'), 'min'),
      'Best test accuracy': inRange(either('lockstep_test_accuracy_ratio'), 'max'),
    },
    units: { 'Best test accuracy': 'percentunit' },
  });
}
