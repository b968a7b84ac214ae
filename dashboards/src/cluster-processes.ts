import { graph } from './panels.ts';
import { curve, rate, scraped } from './queries.ts';

/** What processes and disks have left. */
export function processes() {
  return [
    graph(
      {
        title: 'Event-loop lag',
        description:
          'How late a process gets to its own work, mean since its last report. Above a few hundredths of a second its processors are overloaded; the ' +
          "coordinator's lag slows everyone.",
        unit: 's',
        columns: 6,
        min: 0,
        levels: ['transparent', [0.1, 'orange']],
      },
      curve(`max by (node) (${scraped('lockstep_node_event_loop_lag_seconds')})`, '{{node}}'),
    ),
    graph(
      {
        title: 'Memory',
        description: 'Resident memory of each process. It should be flat after the first minute.',
        unit: 'bytes',
        columns: 6,
        min: 0,
      },
      curve(`max by (node) (${scraped('lockstep_node_memory_bytes')})`, '{{node}}'),
    ),
    graph(
      {
        title: 'Processors in use',
        description:
          'Processor seconds a second that each process uses, its worker threads included: 1 is one processor.',
        unit: 'short',
        columns: 6,
        min: 0,
      },
      curve(`sum by (node) (${rate('lockstep_node_processor_seconds_total')})`, '{{node}}'),
    ),
    graph(
      {
        title: 'Free disk space',
        description:
          'Bytes that can still be written where the run directory is. A full disk stops checkpoints and the log, and training goes on without them.',
        unit: 'bytes',
        columns: 6,
        min: 0,
      },
      curve(`min by (run, id) (${scraped('lockstep_disk_free_bytes')})`, 'free'),
    ),
  ];
}
