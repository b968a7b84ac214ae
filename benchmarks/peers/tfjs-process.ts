// tfjs-node in a process of its own, so that it can have several threads; protocol.py says what it is asked.

import { layoutOf } from '#src/shared/model/layout.js';
import type { Shape } from '#src/shared/model/shape.js';
import type { ModelSpec } from '#src/shared/model/spec.js';
import type { Answer, Question } from './process.ts';
import { TfjsTraining } from './tfjs-training.ts';
import { measured } from './trainer.ts';

interface Head extends Shape {
  readonly spec: ModelSpec;
  readonly count: number;
  readonly batch: number;
  readonly learningRate: number;
  readonly threads: number;
}

/** Standard input as lines and bytes. */
class Input {
  readonly #chunks: AsyncIterator<Buffer> = process.stdin[Symbol.asyncIterator]();
  #rest = Buffer.alloc(0);

  /** Undefined after the last one. */
  async line(): Promise<string | undefined> {
    for (;;) {
      const end = this.#rest.indexOf('\n');
      if (end >= 0) return this.#take(end + 1).toString('utf8');
      if (!(await this.#more())) return undefined;
    }
  }

  /** Bytes at the start of a buffer of their own. */
  async bytes(count: number): Promise<ArrayBuffer> {
    while (this.#rest.length < count) if (!(await this.#more())) throw new Error('Standard input ended too early.');
    return new Uint8Array(this.#take(count)).buffer;
  }

  #take(count: number): Buffer {
    const taken = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    return taken;
  }

  async #more(): Promise<boolean> {
    const { value, done } = await this.#chunks.next();
    if (!done) this.#rest = Buffer.concat([this.#rest, value]);
    return !done;
  }
}

function print(answer: Partial<Answer>): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

async function answerTo(question: Question, training: TfjsTraining): Promise<Partial<Answer>> {
  if ('losses' in question) return { losses: training.losses(question.losses) };
  return measured(() => training.train(question.steps));
}

const input = new Input();
const head = JSON.parse((await input.line()) ?? '{}') as Head;
const layout = layoutOf(head.spec);
const { maps, height, width, count, batch, learningRate } = head;
const inputs = new Uint8Array(await input.bytes(count * maps * height * width));
const targets = new Uint16Array(await input.bytes(2 * count));
const weights = new Float32Array(layout.parameters);
for (const { offset, size, fill } of layout.tensors) weights.fill(fill, offset, offset + size);
weights.set(new Float32Array(await input.bytes(4 * layout.trainable)));
const training = new TfjsTraining(
  { layout, train: { inputs, targets, count }, batch, learningRate, weights },
  head.threads,
);
print({ versions: training.versions });
for (;;) {
  const line = await input.line();
  if (line === undefined) break;
  try {
    print(await answerTo(JSON.parse(line) as Question, training));
  } catch (error) {
    print({ error: String(error) });
  }
}
