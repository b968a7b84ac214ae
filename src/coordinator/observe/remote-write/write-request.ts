// The messages of Prometheus remote write 1.0: https://prometheus.io/docs/specs/prw/remote_write_spec/
import { compress } from 'snappyjs';
import { type Messages, protobufTypes } from '../../../shared/util/protobuf.ts';
import { STEP_SERIES } from '../prometheus/step-series.ts';
import type { Batch } from './step-queue.ts';

/** The part of prometheus.WriteRequest that is sent. A sample's timestamp: Unix milliseconds. */
const MESSAGES: Messages = {
  WriteRequest: { timeseries: [1, 'TimeSeries', 'repeated'] },
  TimeSeries: { labels: [1, 'Label', 'repeated'], samples: [2, 'Sample', 'repeated'] },
  Label: { name: [1, 'string'], value: [2, 'string'] },
  Sample: { value: [1, 'double'], timestamp: [2, 'int64'] },
};

export const WriteRequest = protobufTypes(MESSAGES).lookupType('WriteRequest');

export const HEADERS = {
  'Content-Type': 'application/x-protobuf',
  'Content-Encoding': 'snappy',
  'X-Prometheus-Remote-Write-Version': '0.1.0',
} as const;

/** The body of a request with all samples of a batch, labelled with the run's name and id and their attempt. */
export function encodeBatch(
  batch: Batch,
  { run, id }: { readonly run: string; readonly id?: string | undefined },
): Uint8Array {
  // Sorted by name, as the specification demands; samples are sorted by time.
  const labels = [
    { name: 'attempt', value: String(batch.origin.attempt) },
    ...(id === undefined ? [] : [{ name: 'id', value: id }]),
    { name: 'run', value: run },
  ];
  const timeseries = STEP_SERIES.map(({ name }, series) => ({
    labels: [{ name: '__name__', value: name }, ...labels],
    samples: batch.samplesOf(series),
  })).filter(({ samples }) => samples.length > 0);
  return compress(WriteRequest.encode({ timeseries }).finish());
}
