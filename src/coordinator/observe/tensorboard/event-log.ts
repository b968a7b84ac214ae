import { readdir, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { ownQuantity } from '../../../shared/live/own-scalars.ts';
import { STEP_SCALARS } from '../../../shared/live/step-scalars.ts';
import type { ModelLayout } from '../../../shared/model/layout.ts';
import type { StepObserver, StepRecord } from '../../train/observer.ts';
import { EventFile, type EventFileOptions } from './event-file.ts';
import { graphOf } from './graph.ts';
import { histogramOf } from './histogram.ts';
import { type Event, encodeEvent, encodeGraph, SESSION_START, type SummaryValue } from './messages.ts';

export interface EventLogOptions extends EventFileOptions {
  /** The folder of the event files, made if it is missing. */
  readonly folder: string;
  readonly layout: ModelLayout;
  /** Updates done before this attempt. */
  readonly from: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** What a scalar of the caller's own is, by its name. */
  readonly describe?: ((name: string) => string | undefined) | undefined;
}

/** From this version on, readers purge by the SessionLog what a restart makes stale. */
const FILE_VERSION = 'brain.Event:2';
const FILE_NAME = /^events\.out\.tfevents\.(\d{10,})\./;

/**
 * A run's events for TensorBoard: scalars of each step, histograms of the weights, the graph. A resumed run writes another file,
 * which begins with a SessionLog START: that voids the events of its first step and later ones in earlier files.
 */
export class EventLog implements StepObserver {
  readonly #file: EventFile;
  readonly #options: EventLogOptions;
  /** Tags whose description is in this file: it comes with the first value. */
  readonly #described = new Set<string>();
  /** The step whose weights were logged last. */
  #lastHistogram = -1;

  private constructor(file: EventFile, options: EventLogOptions) {
    this.#file = file;
    this.#options = options;
  }

  /** Writes nothing yet. Never throws: if the folder can't be used, the first write reports it. */
  static async open(options: EventLogOptions): Promise<EventLog> {
    const { folder, from, now, layout } = options;
    const earlier = await eventFilesIn(folder);
    // Readers take the files in the order of their names, and a clock may have been set back.
    const seconds = Math.max(Math.floor(now() / 1000), ...earlier.map((each) => each.seconds + 1));
    const host = hostname().replaceAll(/[^\w.-]/g, '-');
    const file = new EventFile(join(folder, `events.out.tfevents.${seconds}.${host}.${process.pid}`), options);
    const log = new EventLog(file, options);
    log.#append({ step: 0, fileVersion: FILE_VERSION });
    log.#append({ step: from === 0 ? 0 : from + 1, sessionLog: { status: SESSION_START } });
    if (from === 0 || earlier.every(({ size }) => size === 0)) {
      log.#append({ step: from, graphDef: encodeGraph(graphOf(layout)) });
    }
    return log;
  }

  onStep(record: StepRecord): void {
    const value: SummaryValue[] = [];
    for (const { tag, help, read } of STEP_SCALARS) {
      const simpleValue = read(record);
      if (simpleValue !== undefined) value.push({ ...this.#tagged(tag, 'scalars', help), simpleValue });
    }
    const { describe } = this.#options;
    for (const [name, simpleValue] of Object.entries(record.scalars ?? {})) {
      const help = describe?.(name) ?? "A number of the caller's own.";
      value.push({ ...this.#tagged(ownQuantity(name), 'scalars', help), simpleValue });
    }
    this.#append({ step: record.step, summary: { value } });
  }

  /** Logs a histogram of each tensor, once a step. The weights are read before it returns. */
  weights(step: number, weights: Float32Array): void {
    if (step === this.#lastHistogram) return;
    this.#lastHistogram = step;
    const value = this.#options.layout.tensors.map(({ name, shape, offset, size }): SummaryValue => {
      const description = `${size} parameters, [${shape.join(', ')}], after the update.`;
      return {
        ...this.#tagged(`weights/${name}`, 'histograms', description),
        histo: histogramOf(weights.subarray(offset, offset + size)),
      };
    });
    this.#append({ step, summary: { value } });
  }

  /** Resolves when all events so far were written, or the attempt failed and onNotice was called. */
  flush(): Promise<void> {
    return this.#file.flush();
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  #append(event: Omit<Event, 'wallTime'>): void {
    this.#file.append(encodeEvent({ wallTime: this.#options.now() / 1000, ...event }));
  }

  #tagged(tag: string, pluginName: string, summaryDescription: string): Pick<SummaryValue, 'tag' | 'metadata'> {
    if (this.#described.has(tag)) return { tag };
    this.#described.add(tag);
    return { tag, metadata: { pluginData: { pluginName }, summaryDescription } };
  }
}

/** The event files of earlier attempts. */
async function eventFilesIn(folder: string): Promise<{ seconds: number; size: number }[]> {
  const found = [];
  for (const name of await readdir(folder).catch(() => [])) {
    const seconds = FILE_NAME.exec(name)?.[1];
    if (seconds === undefined) continue;
    const size = await stat(join(folder, name)).then(
      (stats) => stats.size,
      () => 0,
    );
    found.push({ seconds: Number(seconds), size });
  }
  return found;
}
