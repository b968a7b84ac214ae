import { readdir, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { STEP_SCALARS } from '../../../shared/live/step-scalars.ts';
import type { ModelLayout } from '../../../shared/model/layout.ts';
import type { EvaluationRecord, StepObserver, StepRecord } from '../../train/observer.ts';
import { EventFile, type EventFileOptions } from './event-file.ts';
import { graphOf } from './graph.ts';
import { histogramOf } from './histogram.ts';
import { type Event, encodeEvent, encodeGraph, SESSION_START, type SummaryValue } from './messages.ts';

export interface EventLogOptions extends EventFileOptions {
  /** Of the event files; made where it is missing. */
  readonly folder: string;
  readonly layout: ModelLayout;
  /** Updates done before the run began or went on. */
  readonly from: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Readers that purge what a restart makes stale do so from this version on by the SessionLog. */
const FILE_VERSION = 'brain.Event:2';
const FILE_NAME = /^events\.out\.tfevents\.(\d{10,})\./;

/**
 * A run's events for TensorBoard: scalars of each step, histograms of the weights, the graph. An attempt that goes on writes
 * a file of its own, which begins by a SessionLog START: that voids what earlier files say of its steps and of later ones.
 */
export class EventLog implements StepObserver {
  readonly #file: EventFile;
  readonly #options: EventLogOptions;
  /** Tags that were described: the first value of each is, once a file. */
  readonly #described = new Set<string>();
  /** Whose weights were logged last. */
  #weighed = -1;

  private constructor(file: EventFile, options: EventLogOptions) {
    this.#file = file;
    this.#options = options;
  }

  /** Writes nothing yet. Never throws: where the folder can't be read, the first write will tell. */
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
    this.#append({ step: record.step, summary: { value } });
  }

  /** Logs a histogram of each tensor, once a step; the weights are read before it returns, and never changed. */
  weights(step: EvaluationRecord['step'], weights: Float32Array): void {
    if (step === this.#weighed) return;
    this.#weighed = step;
    const value = this.#options.layout.tensors.map(({ name, shape, offset, size }): SummaryValue => {
      const description = `${size} parameters, [${shape.join(', ')}], after the update.`;
      return {
        ...this.#tagged(`weights/${name}`, 'histograms', description),
        histo: histogramOf(weights.subarray(offset, offset + size)),
      };
    });
    this.#append({ step, summary: { value } });
  }

  /** Resolves when all events so far were given to the system, or that failed, as onNotice was told. */
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

/** Those of earlier attempts. */
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
