import { buckets, graph } from './panels.ts';
import { curve, everyStep, perRun, RUN, rate, scraped } from './queries.ts';

const ITERATIONS = `max by (run, id) (${scraped('lockstep_iterations')})`;
export const PROGRESS = `(${perRun('lockstep_step', 'max')}) / on (run, id) ${ITERATIONS}`;
export const SAMPLES_A_SECOND = `sum by (run, id) (${rate('lockstep_samples_total')})`;
export const STEPS_A_SECOND = `sum by (run, id) (${rate('lockstep_steps_total')})`;
export const TIME_LEFT = `(${ITERATIONS} - max by (run, id) (${scraped('lockstep_step')})) / (${STEPS_A_SECOND} > 0)`;

/** How fast the steps are, and where they spend their time. */
export function speed() {
  return [...throughput(), ...durations()];
}

function throughput() {
  return [
    graph(
      {
        title: 'Samples a second',
        description:
          'Training samples used a second, evaluations and checkpoints included. Joins and crashes of nodes show here.',
        unit: 'short',
        columns: 8,
        min: 0,
      },
      curve(SAMPLES_A_SECOND, RUN),
    ),
    graph(
      {
        title: 'Steps a second',
        description: 'Updates of the weights a second.',
        unit: 'short',
        columns: 8,
        min: 0,
      },
      curve(STEPS_A_SECOND, RUN),
    ),
    graph(
      {
        title: 'Where a step spends its time',
        description:
          'Mean seconds of a step by phase, over the runs chosen: sample (drawing the images), dispatch (assigning the work), compute (gradients), ' +
          'wait (for whoever is last), reduce (adding them up), update (the optimizer), and its share of evaluations and checkpoints.',
        unit: 's',
        columns: 8,
        stack: 'normal',
        min: 0,
      },
      curve(
        `sum by (phase) (${rate('lockstep_phase_duration_seconds_sum')}) / on () group_left () sum(${rate('lockstep_steps_total')})`,
        '{{phase}}',
      ),
    ),
  ];
}

function durations() {
  const stepBuckets = `sum by (run, id, le) (${rate('lockstep_step_duration_seconds_bucket')})`;
  const longest = `max by (run, id) (max_over_time(${everyStep('lockstep_last_step_duration_seconds')}[$__interval]))`;
  return [
    graph(
      {
        title: 'Step duration',
        description:
          'Half of the steps take less than p50, all but one in a hundred less than p99. Longest: the slowest single step between two ' +
          'points, known with --remote-write only.',
        unit: 's',
        columns: 12,
        log: true,
      },
      curve(`histogram_quantile(0.5, ${stepBuckets})`, `p50 ${RUN}`),
      curve(`histogram_quantile(0.99, ${stepBuckets})`, `p99 ${RUN}`),
      curve(longest, `Longest ${RUN}`),
    ),
    buckets(
      {
        title: 'Steps by duration',
        description:
          'How many steps took how long: the darker, the more. A second dark band shows steps that waited for someone.',
        unit: 's',
        columns: 12,
      },
      `sum by (le) (increase(${scraped('lockstep_step_duration_seconds_bucket')}[$__rate_interval]))`,
    ),
  ];
}
