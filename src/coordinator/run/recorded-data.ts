import { readRun } from './list.ts';

/** What --data said of a run's data set; undefined where it was found otherwise, or where run.json can't be read. */
export async function recordedData(run: string): Promise<string | undefined> {
  return (await readRun(run))?.manifest.config.data;
}
