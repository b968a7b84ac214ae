import type { ShardRange } from '#src/shared/engine/tree.js';
import { decodeFromNode, encode } from '#src/shared/wire/frames.js';
import type { CoordinatorMessage, FromNode, NodeMessage } from '#src/shared/wire/messages.js';
import { type Change, mutated } from '../shared/wire/mutations.ts';
import type { Answer } from './volleys.ts';

type Order = CoordinatorMessage<'work'> | CoordinatorMessage<'evaluate'>;
type Welcome = CoordinatorMessage<'welcome'>;

interface Badness {
  readonly answer: Answer;
  readonly changes: readonly Change[];
  readonly hello: Uint8Array;
}

/** Frames that answer an order as no honest node would. None of them is what was asked for, so that no bit of the run depends on them. */
export function badAnswer(order: Order, welcome: Welcome, { answer, changes, hello }: Badness): Uint8Array[] {
  const [kind, id] = order.type === 'work' ? (['step', order.step] as const) : (['evaluation', order.id] as const);
  const failed = encode({ type: 'failed', kind, id, message: 'fuzz' });
  const result = (damage: Damage): Buffer => encode(damaged(order, welcome, damage));
  switch (answer) {
    case 'the step after':
      return [result({ id: id + 1 })];
    case 'the step before':
      return [result({ id: Math.max(0, id - 1) + (id === 0 ? 1 : 0) })];
    case 'ranges moved':
      return [result({ ranges: (ranges) => ranges.map(({ begin, end }) => ({ begin: begin + 1, end: end + 1 })) })];
    case 'a range more':
      return [result({ ranges: (ranges) => [...ranges, { begin: 0, end: 1 }].slice(0, 32) })];
    case 'a range less':
      return [result({ ranges: (ranges) => (ranges.length > 1 ? ranges.slice(1) : [{ begin: 9, end: 10 }]) })];
    case 'a range twice':
      return [
        result({
          ranges: (ranges) =>
            ranges
              .flatMap(({ begin, end }) => [
                { begin, end },
                { begin, end },
              ])
              .slice(0, 32),
        }),
      ];
    case 'a body too short':
      return [result({ body: (body) => body.subarray(1) })];
    case 'a body too long':
      return [result({ body: (body) => Buffer.concat([body, Buffer.alloc(4)]) })];
    case 'no body':
      return [result({ body: () => Buffer.alloc(0) })];
    case 'damaged bytes':
      return [harmless(mutated(result({ id: id + 1 }), changes), welcome, id)];
    case 'the other kind of result':
      return [
        encode(
          order.type === 'work'
            ? evaluatedOf({ id, begin: 0, end: 1 }, welcome)
            : partialsOf(id, [{ begin: 0, end: 1 }], welcome),
        ),
      ];
    case 'failed':
      return [failed];
    case 'failed at another order':
      return [encode({ type: 'failed', kind, id: id + 1, message: 'fuzz' })];
    case 'failed twice':
      return [failed, failed];
    case 'failed, then a result':
      return [failed, result({ id: id + 1 })];
    case 'nothing':
      return [];
    case 'ready again':
      return [encode({ type: 'ready' })];
    case 'hello again':
      return [hello];
    case 'leaving, then a result':
      return [encode({ type: 'leaving' }), result({ id: id + 1 })];
  }
}

interface Damage {
  readonly id?: number;
  readonly ranges?: (ranges: readonly ShardRange[]) => readonly ShardRange[];
  readonly body?: (body: Buffer) => Buffer;
}

function damaged(
  order: Order,
  welcome: Welcome,
  { id, ranges: changed = (same) => same, body = (same) => same }: Damage,
): FromNode {
  if (order.type === 'work') {
    const partials = partialsOf(id ?? order.step, changed(order.ranges), welcome);
    return { ...partials, body: body(partials.body as Buffer) };
  }
  const [chunks] = changed([order.chunks]) as [ShardRange];
  // A second range finds no place in the message: another id then.
  const evaluated = evaluatedOf(
    { ...chunks, id: id ?? (chunks.begin === order.chunks.begin ? order.id + 1 : order.id) },
    welcome,
  );
  return { ...evaluated, body: body(evaluated.body as Buffer) };
}

function partialsOf(step: number, ranges: readonly ShardRange[], { parameters }: Welcome): NodeMessage<'partials'> {
  return {
    type: 'partials',
    step,
    seconds: 0,
    sampleSeconds: 0,
    reduceSeconds: 0,
    ranges: ranges.map(({ begin, end }) => ({ begin, end, lossSum: 0, correct: 0 })),
    body: Buffer.alloc(4 * parameters * ranges.length),
  };
}

function evaluatedOf(
  { id, begin, end }: ShardRange & { readonly id: number },
  { testSamples, chunkSize }: Welcome,
): NodeMessage<'evaluated'> {
  const samples = Math.max(0, Math.min(testSamples, end * chunkSize) - begin * chunkSize);
  return {
    type: 'evaluated',
    id,
    seconds: 0,
    chunks: { begin, end },
    losses: Array.from({ length: end - begin }, () => 0),
    isPredicted: true,
    body: Buffer.alloc(2 * samples),
  };
}

/** The frame, unless chance has made it one that the coordinator would have to believe. */
function harmless(frame: Buffer, welcome: Welcome, id: number): Buffer {
  try {
    const message = decodeFromNode(frame, welcome);
    const answered = message.type === 'partials' ? message.step : message.type === 'evaluated' ? message.id : undefined;
    return answered === id ? frame.subarray(1) : frame;
  } catch {
    return frame;
  }
}
