import { modelOf } from '../../../shared/model/registry.ts';
import type { RunDirectory } from '../../run/run-directory.ts';
import type { RunStart } from '../../run/start.ts';
import { EventLog, type EventLogOptions } from './event-log.ts';

/** The run's event files for TensorBoard; undefined: the run has none. */
export async function eventLogOf(
  { manifest, from }: RunStart,
  directory: RunDirectory,
  { onNotice, describe }: Pick<EventLogOptions, 'onNotice' | 'describe'>,
): Promise<EventLog | undefined> {
  if (!manifest.config.tensorboard) return undefined;
  const mayWrite = (): Promise<void> => directory.checkLock();
  const options = { folder: directory.tensorboard, from: from.step, layout: modelOf(manifest.config) };
  const { failures } = directory;
  return EventLog.open({ ...options, describe, onNotice, failures, mayWrite, now: () => Date.now() });
}
