// lockstep train                                  all cores of this machine, 10,000 steps
// lockstep train --workers 4 --out runs/first
// lockstep train --resume latest
import { resolveJob } from '../../library/inputs.ts';
import { notificationsOf } from '../../library/notifications.ts';
import { train as trainRun } from '../../library/train.ts';
import { StopSignals } from '../signals.ts';
import { openConsole } from '../terminal/console.ts';
import { TrainConsole } from '../train-console.ts';

/** @returns the exit code */
export async function train(flags: Record<string, unknown>): Promise<number> {
  const signals = new StopSignals({ what: 'finishing this step, then saving', takesCheckpoints: true });
  const job = await resolveJob({ flags, env: process.env });
  const { onHangup, maxTimeExitCode } = job.config;
  if (onHangup === 'ignore') signals.ignoreHangup();
  const terminal = openConsole(job.config, process.env);
  const notifications = notificationsOf(job, (line, level) => terminal.print(line, { level }));
  signals.watchBy(notifications);
  const onOpen = (): void => {
    signals.handle((line, level) => terminal.print(line, { level }), onHangup);
    signals.handleExceptions();
  };
  try {
    const { state, stoppedBy } = await trainRun(job, {
      observers: [new TrainConsole(terminal), { onOpen }],
      notifications,
      stop: signals.stop,
      failure: signals.failure,
      checkpointAsked: signals.checkpointAsked,
      // That of the process.
      timeFrom: 0,
    });
    if (state === 'finished') return 0;
    return stoppedBy === 'maxTime' ? maxTimeExitCode : signals.exitCode;
  } catch (error) {
    return terminal.printFailure(error);
  } finally {
    signals.release();
  }
}
