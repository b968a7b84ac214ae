import type { RunDirectory } from '../../coordinator/run-directory.ts';
import { EventLog } from '../../coordinator/tensorboard/event-log.ts';
import { type Beginning, layoutFor } from './start.ts';

/** Event files for TensorBoard, where the run was asked for them. */
export async function eventLogOf(
  { manifest, from }: Beginning,
  directory: RunDirectory,
  onNotice: (message: string) => void,
): Promise<EventLog | undefined> {
  if (!manifest.config.tensorboard) return undefined;
  const mayWrite = (): Promise<void> => directory.checkLock();
  const options = { folder: directory.tensorboard, from: from.step, layout: layoutFor(manifest.config) };
  return EventLog.open({ ...options, onNotice, mayWrite, now: () => Date.now() });
}
