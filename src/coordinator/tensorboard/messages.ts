import protobuf from 'protobufjs/light.js';

/** The part of TensorFlow's messages that is written here, under their names in TensorFlow; absent fields aren't written. */
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
  /** How many values are in each. */
  readonly bucket: readonly number[];
}

export interface GraphDef {
  readonly node: readonly NodeDef[];
  readonly versions: { readonly producer: number };
}

export interface NodeDef {
  readonly name: string;
  readonly op: string;
  /** Names of the nodes whose outputs it takes. */
  readonly input: readonly string[];
  readonly attr: Readonly<Record<string, AttrValue>>;
}

/** One of the fields. */
export interface AttrValue {
  readonly list?: { readonly i?: readonly number[]; readonly shape?: readonly TensorShape[] };
  readonly s?: Uint8Array;
  readonly b?: boolean;
  readonly type?: number;
  readonly shape?: TensorShape;
  readonly tensor?: { readonly dtype: number; readonly tensorShape: TensorShape; readonly tensorContent: Uint8Array };
}

/** Sizes; -1: unknown before there is a batch. */
export interface TensorShape {
  readonly dim: readonly { readonly size: number }[];
}

/** SessionLog.SessionStatus.START */
export const SESSION_START = 1;

type Fields = Record<string, { type: string; id: number; rule?: 'repeated'; keyType?: string }>;

const MESSAGES: Record<string, Fields> = {
  Event: {
    wallTime: { type: 'double', id: 1 },
    step: { type: 'int64', id: 2 },
    fileVersion: { type: 'string', id: 3 },
    graphDef: { type: 'bytes', id: 4 },
    summary: { type: 'Summary', id: 5 },
    sessionLog: { type: 'SessionLog', id: 7 },
  },
  SessionLog: { status: { type: 'int32', id: 1 } },
  Summary: { value: { rule: 'repeated', type: 'SummaryValue', id: 1 } },
  SummaryValue: {
    tag: { type: 'string', id: 1 },
    simpleValue: { type: 'float', id: 2 },
    histo: { type: 'HistogramProto', id: 5 },
    metadata: { type: 'SummaryMetadata', id: 9 },
  },
  SummaryMetadata: {
    pluginData: { type: 'PluginData', id: 1 },
    summaryDescription: { type: 'string', id: 3 },
  },
  PluginData: { pluginName: { type: 'string', id: 1 } },
  HistogramProto: {
    min: { type: 'double', id: 1 },
    max: { type: 'double', id: 2 },
    num: { type: 'double', id: 3 },
    sum: { type: 'double', id: 4 },
    sumSquares: { type: 'double', id: 5 },
    bucketLimit: { rule: 'repeated', type: 'double', id: 6 },
    bucket: { rule: 'repeated', type: 'double', id: 7 },
  },
  GraphDef: {
    node: { rule: 'repeated', type: 'NodeDef', id: 1 },
    versions: { type: 'VersionDef', id: 4 },
  },
  VersionDef: { producer: { type: 'int32', id: 1 } },
  NodeDef: {
    name: { type: 'string', id: 1 },
    op: { type: 'string', id: 2 },
    input: { rule: 'repeated', type: 'string', id: 3 },
    attr: { keyType: 'string', type: 'AttrValue', id: 5 },
  },
  AttrValue: {
    list: { type: 'ListValue', id: 1 },
    s: { type: 'bytes', id: 2 },
    b: { type: 'bool', id: 5 },
    type: { type: 'int32', id: 6 },
    shape: { type: 'TensorShape', id: 7 },
    tensor: { type: 'Tensor', id: 8 },
  },
  ListValue: {
    i: { rule: 'repeated', type: 'int64', id: 3 },
    shape: { rule: 'repeated', type: 'TensorShape', id: 7 },
  },
  TensorShape: { dim: { rule: 'repeated', type: 'Dim', id: 2 } },
  Dim: { size: { type: 'int64', id: 1 } },
  Tensor: {
    dtype: { type: 'int32', id: 1 },
    tensorShape: { type: 'TensorShape', id: 2 },
    tensorContent: { type: 'bytes', id: 4 },
  },
};

/** Of these fields one is set, and written even where it is 0 or false. */
const ONE_OF: Record<string, readonly string[]> = {
  Event: ['fileVersion', 'graphDef', 'summary', 'sessionLog'],
  SummaryValue: ['simpleValue', 'histo'],
  AttrValue: ['list', 's', 'b', 'type', 'shape', 'tensor'],
};

const nested = Object.fromEntries(
  Object.entries(MESSAGES).map(([name, fields]) => {
    const one = ONE_OF[name];
    return [name, { fields, ...(one === undefined ? {} : { oneofs: { one: { oneof: [...one] } } }) }];
  }),
);
const root = protobuf.Root.fromJSON({ nested });
const [eventType, graphType] = [root.lookupType('Event'), root.lookupType('GraphDef')];

export function encodeEvent(event: Event): Uint8Array {
  return eventType.encode(event).finish();
}

export function encodeGraph(graph: GraphDef): Uint8Array {
  return graphType.encode(graph).finish();
}
