import { type Messages, protobufTypes } from '../../../shared/util/protobuf.ts';

/** The messages of TensorFlow that are written here, with its names; undefined fields aren't written. */
export interface Event {
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly step: number;
  readonly fileVersion?: string;
  /** An encoded GraphDef. */
  readonly graphDef?: Uint8Array;
  readonly summary?: { readonly value: readonly SummaryValue[] };
  readonly sessionLog?: { readonly status: number };
}

export interface SummaryValue {
  readonly tag: string;
  readonly simpleValue?: number;
  readonly histo?: HistogramProto;
  readonly metadata?: { readonly pluginData: { readonly pluginName: string }; readonly summaryDescription: string };
}

export interface HistogramProto {
  readonly min: number;
  readonly max: number;
  readonly num: number;
  readonly sum: number;
  readonly sumSquares: number;
  /** The upper end of each bucket. */
  readonly bucketLimit: readonly number[];
  /** The number of values in each bucket. */
  readonly bucket: readonly number[];
}

export interface GraphDef {
  readonly node: readonly NodeDef[];
  readonly versions: { readonly producer: number };
}

export interface NodeDef {
  readonly name: string;
  readonly op: string;
  /** Names of the nodes whose outputs are its inputs. */
  readonly input: readonly string[];
  readonly attr: Readonly<Record<string, AttrValue>>;
}

/** Has one of the fields. */
export interface AttrValue {
  readonly list?: { readonly i?: readonly number[]; readonly shape?: readonly TensorShape[] };
  readonly s?: Uint8Array;
  readonly f?: number;
  readonly b?: boolean;
  readonly type?: number;
  readonly shape?: TensorShape;
  readonly tensor?: { readonly dtype: number; readonly tensorShape: TensorShape; readonly tensorContent: Uint8Array };
}

/** Sizes; -1: unknown until there is a batch. */
export interface TensorShape {
  readonly dim: readonly { readonly size: number }[];
}

/** SessionLog.SessionStatus.START */
export const SESSION_START = 1;

const MESSAGES: Messages = {
  Event: {
    wallTime: [1, 'double'],
    step: [2, 'int64'],
    fileVersion: [3, 'string'],
    graphDef: [4, 'bytes'],
    summary: [5, 'Summary'],
    sessionLog: [7, 'SessionLog'],
  },
  SessionLog: { status: [1, 'int32'] },
  Summary: { value: [1, 'SummaryValue', 'repeated'] },
  SummaryValue: {
    tag: [1, 'string'],
    simpleValue: [2, 'float'],
    histo: [5, 'HistogramProto'],
    metadata: [9, 'SummaryMetadata'],
  },
  SummaryMetadata: {
    pluginData: [1, 'PluginData'],
    summaryDescription: [3, 'string'],
  },
  PluginData: { pluginName: [1, 'string'] },
  HistogramProto: {
    min: [1, 'double'],
    max: [2, 'double'],
    num: [3, 'double'],
    sum: [4, 'double'],
    sumSquares: [5, 'double'],
    bucketLimit: [6, 'double', 'repeated'],
    bucket: [7, 'double', 'repeated'],
  },
  GraphDef: {
    node: [1, 'NodeDef', 'repeated'],
    versions: [4, 'VersionDef'],
  },
  VersionDef: { producer: [1, 'int32'] },
  NodeDef: {
    name: [1, 'string'],
    op: [2, 'string'],
    input: [3, 'string', 'repeated'],
    attr: [5, 'AttrValue', 'map'],
  },
  AttrValue: {
    list: [1, 'ListValue'],
    s: [2, 'bytes'],
    f: [4, 'float'],
    b: [5, 'bool'],
    type: [6, 'int32'],
    shape: [7, 'TensorShape'],
    tensor: [8, 'Tensor'],
  },
  ListValue: {
    i: [3, 'int64', 'repeated'],
    shape: [7, 'TensorShape', 'repeated'],
  },
  TensorShape: { dim: [2, 'Dim', 'repeated'] },
  Dim: { size: [1, 'int64'] },
  Tensor: {
    dtype: [1, 'int32'],
    tensorShape: [2, 'TensorShape'],
    tensorContent: [4, 'bytes'],
  },
};

/** Groups of fields of which one is set, and written even if it is 0 or false. */
const ONE_OF: Record<string, readonly string[]> = {
  Event: ['fileVersion', 'graphDef', 'summary', 'sessionLog'],
  SummaryValue: ['simpleValue', 'histo'],
  AttrValue: ['list', 's', 'f', 'b', 'type', 'shape', 'tensor'],
};

const root = protobufTypes(MESSAGES, ONE_OF);
const [eventType, graphType] = [root.lookupType('Event'), root.lookupType('GraphDef')];

export function encodeEvent(event: Event): Uint8Array {
  return eventType.encode(event).finish();
}

export function encodeGraph(graph: GraphDef): Uint8Array {
  return graphType.encode(graph).finish();
}
