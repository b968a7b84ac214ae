// What Prometheus remote write 1.0 sends: https://prometheus.io/docs/specs/prw/remote_write_spec/
import protobuf from 'protobufjs/light.js';
import { compress } from 'snappyjs';
import type { Batch } from './step-queue.ts';
import { STEP_SERIES, type StepLabels } from './step-series.ts';

/** As much of prometheus.WriteRequest as this sends. */
const SCHEMA = {
  WriteRequest: { fields: { timeseries: { rule: 'repeated', type: 'TimeSeries', id: 1 } } },
  TimeSeries: {
    fields: {
      labels: { rule: 'repeated', type: 'Label', id: 1 },
      samples: { rule: 'repeated', type: 'Sample', id: 2 },
    },
  },
  Label: { fields: { name: { type: 'string', id: 1 }, value: { type: 'string', id: 2 } } },
  /** timestamp: Unix milliseconds. */
  Sample: { fields: { value: { type: 'double', id: 1 }, timestamp: { type: 'int64', id: 2 } } },
};

export const WriteRequest = protobuf.Root.fromJSON({ nested: SCHEMA }).lookupType('WriteRequest');

export const HEADERS = {
  'Content-Type': 'application/x-protobuf',
  'Content-Encoding': 'snappy',
  'X-Prometheus-Remote-Write-Version': '0.1.0',
} as const;

/** The body of a request with all samples of a batch. */
export function encodeBatch(batch: Batch, { run, attempt }: StepLabels): Uint8Array {
  // Sorted by name, as the specification demands; so are samples by time.
  const labels = [
    { name: 'attempt', value: String(attempt) },
    { name: 'run', value: run },
  ];
  const timeseries = STEP_SERIES.map(({ name }, series) => ({
    labels: [{ name: '__name__', value: name }, ...labels],
    samples: batch.samplesOf(series),
  })).filter(({ samples }) => samples.length > 0);
  return compress(WriteRequest.encode({ timeseries }).finish());
}
