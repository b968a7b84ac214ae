import { graph } from './panels.ts';
import { curve, rate, scraped } from './queries.ts';

const STEPS = `rate(${scraped('lockstep_step_duration_seconds_sum')}[$__rate_interval])`;
const COUNT = `rate(${scraped('lockstep_step_duration_seconds_count')}[$__rate_interval])`;
/** Of a step, from its share of the round. */
const OF_ROUND = `on (run, id) max by (run, id) (${scraped('lockstep_round_steps')})`;

/** Rounds of local steps; without replicas a round is a step. */
export function rounds() {
  const perStep = (seconds: string): string =>
    `sum by (run, id) (${seconds}) / sum by (run, id) (${COUNT}) * ${OF_ROUND}`;
  return [
    graph(
      {
        title: 'Time of a round',
        description:
          'Mean time between two averages of the replicas, and the part of it in which the coordinator waited for the slowest member and for the network. ' +
          'Without replicas a round is a step.',
        unit: 's',
        columns: 8,
        min: 0,
      },
      curve(perStep(STEPS), 'round'),
      curve(perStep(rate('lockstep_phase_duration_seconds_sum', 'phase="wait"')), 'waiting'),
    ),
    graph(
      {
        title: 'Bytes a sample',
        description:
          'Bytes sent to all nodes and received from them for each training sample. More local steps in a round make it less.',
        unit: 'bytes',
        columns: 8,
        min: 0,
      },
      curve(
        `sum by (run, id, direction) (${rate('lockstep_network_bytes_total')}) / on (run, id) group_left () sum by (run, id) (${rate('lockstep_samples_total')})`,
        '{{direction}}',
      ),
    ),
    graph(
      {
        title: 'Divergence of replicas',
        description:
          "Mean squared distance of the replicas' weights to their average, over the squared length of the average's step. It grows with the local steps of a " +
          'round and with the learning rate; if it keeps rising, the average is worth less and less.',
        unit: 'none',
        columns: 8,
        min: 0,
      },
      curve(`max by (run, id) (${scraped('lockstep_replica_divergence')})`, 'divergence'),
    ),
  ];
}
