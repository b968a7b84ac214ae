import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { STEP_SCALARS } from '../../../shared/live/step-scalars.ts';

/** Upper bounds in seconds. Phases take from microseconds up to the whole step. */
const PHASE_BUCKETS = [1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];
const STEP_BUCKETS = [0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const CHECKPOINT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

export function stepCounters(registry: Registry) {
  const registers = [registry];
  return {
    steps: new Counter({ name: 'lockstep_steps_total', help: 'Optimizer steps done by this process.', registers }),
    samples: new Counter({
      name: 'lockstep_samples_total',
      help: 'Training samples used by the steps that this process did.',
      registers,
    }),
  };
}

export function durationHistograms(registry: Registry) {
  const registers = [registry];
  return {
    step: new Histogram({
      name: 'lockstep_step_duration_seconds',
      help: 'Time of a step, from drawing its samples to the updated weights, without evaluation and checkpoint.',
      buckets: STEP_BUCKETS,
      registers,
    }),
    phase: new Histogram({
      name: 'lockstep_phase_duration_seconds',
      help:
        'Time of each phase of a step in the slowest worker: sample, dispatch, compute, reduce, update, wait; and, ' +
        'if they are due, evaluate and checkpoint (the part that the next step waits for).',
      labelNames: ['phase'],
      buckets: PHASE_BUCKETS,
      registers,
    }),
    checkpoint: new Histogram({
      name: 'lockstep_checkpoint_duration_seconds',
      help: 'Time to write a checkpoint to disk; steps continue meanwhile.',
      buckets: CHECKPOINT_BUCKETS,
      registers,
    }),
  };
}

/** Made for runs that have such scalars alone. */
export function ownScalarGauge(registry: Registry): Gauge<'name'> {
  return new Gauge({
    name: 'lockstep_scalar',
    help: "A number of the caller's own, by its name. The value of the last step.",
    labelNames: ['name'],
    registers: [registry],
  });
}

/** Where a scalar comes from. */
const SOURCES = { update: 'step', evaluation: 'evaluation' } as const;

/** The gauges of the run, and of its last step, evaluation or checkpoint. */
export function lastValueGauges(registry: Registry) {
  const gauge = (name: string, help: string): Gauge => {
    const made = new Gauge({ name, help, registers: [registry] });
    // A gauge without labels starts at 0, which would look like a perfect loss.
    made.remove();
    return made;
  };
  return {
    step: gauge('lockstep_step', 'Optimizer steps of the run that are done, those of earlier attempts included.'),
    iterations: gauge('lockstep_iterations', 'Optimizer steps that the run is to do.'),
    replicas: gauge('lockstep_replicas', 'Replicas that take local steps and are averaged; 1: each step is averaged.'),
    roundSteps: gauge('lockstep_round_steps', 'Local steps of a round, between two averages; 1 without replicas.'),
    attempt: gauge('lockstep_attempt', 'Which process of the run this is: 1 at first, one more with each resume.'),
    start: gauge('lockstep_start_timestamp_seconds', 'When this attempt of the run began, in Unix time.'),
    scalars: STEP_SCALARS.filter(({ isGauge }) => isGauge).map((scalar) => ({
      scalar,
      gauge: gauge(scalar.metric, `${scalar.help} The value of the last ${SOURCES[scalar.when]}.`),
    })),
    checkpoint: gauge('lockstep_checkpoint_last_step', 'Step after which the last checkpoint was written.'),
    checkpointAt: gauge(
      'lockstep_checkpoint_last_timestamp_seconds',
      'When the last checkpoint was on the disk, in Unix time.',
    ),
  };
}
