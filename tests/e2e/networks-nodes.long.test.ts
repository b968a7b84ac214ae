// The promise for any network with everything in one run: two nodes, one of which is killed at its work, a stop, and a resume with
// other workers, one of which is killed at its work.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RemoteNode } from '#src/coordinator/cluster/remote-node.js';
import type { Summary } from '#src/coordinator/run/summary.js';
import type { RunEvent } from '#src/coordinator/train/observer.js';
import { resolveJob } from '#src/library/inputs.js';
import type { RunObserver } from '#src/library/observer.js';
import { train } from '#src/library/train.js';
import { packedPieces } from '#src/shared/data/pack.js';
import type { ModelSpec } from '#src/shared/model/spec.js';
import { LocalPool } from '#src/worker/pool/pool.js';
import { freePorts } from '../support/free-ports.ts';
import { GOLDEN_NETWORKS } from '../support/golden-networks.ts';
import { noiseFor } from '../support/noise.ts';
import { type Program, startProgram, stepsOf } from '../support/program.ts';

const NODE = fileURLToPath(new URL('../support/node-process.js', import.meta.url));
const HANG = { timeout: 300_000 };
/** Enough for a sample of each class. */
const SAMPLES = { train: 100, test: 5 };
const FLAGS = { batch: 8, shardSize: 2, iterations: 5, evaluateEvery: 2, learningRate: 0.001, metricsPort: 'off' };
/** Both nodes have computed a step before it begins; one of them is killed at it, and the run is stopped after it or the next one. */
const KILLED_AT = 2;

const folder = mkdtempSync(join(tmpdir(), 'lockstep-networks-'));
const [port] = await freePorts(1);
const LISTEN = `127.0.0.1:${port}`;
/** Two, by their names; both stay for the next network. */
const nodes = new Map<string, Program>();
let started = 0;
after(async () => {
  for (const { signal } of nodes.values()) signal('SIGKILL');
  await Promise.all([...nodes.values()].map(({ ended }) => ended));
  rmSync(folder, { recursive: true });
});

function startNode(): void {
  const name = `node-${++started}`;
  const env = { PATH: process.env.PATH, XDG_CACHE_HOME: join(folder, 'cache') };
  nodes.set(name, startProgram([process.execPath, NODE, `ws://${LISTEN}`, name], { env }));
}

interface Result extends Pick<Summary, 'steps' | 'weightsSha256' | 'chain'> {
  readonly events: readonly RunEvent[];
}

interface Watching {
  readonly observer?: RunObserver;
  readonly stop?: AbortSignal;
}

async function run(flags: Readonly<Record<string, unknown>>, { observer = {}, stop }: Watching = {}): Promise<Result> {
  const events: RunEvent[] = [];
  const job = await resolveJob({ flags: { metricsPort: 'off', ...flags }, env: {} });
  const observers = [observer, { onEvent: (event: RunEvent) => void events.push(event) }];
  const { result } = await train(job, { observers, ...(stop && { stop }) });
  const { steps, weightsSha256, chain } = result;
  return { steps, weightsSha256, chain, events };
}

/** Resolves when both nodes have been named. */
class BothNodes {
  readonly named: Promise<void>;
  readonly #names = new Set<string>();
  #resolve = (): void => {};

  constructor() {
    this.named = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  name(node: string): void {
    if (this.#names.add(node).size === 2) this.#resolve();
  }
}

/** Trains by two nodes, kills one that has been given shards and not computed them, and stops. */
async function trainByNodes(flags: Readonly<Record<string, unknown>>): Promise<void> {
  const { work } = RemoteNode.prototype;
  const [joined, computed] = [new BothNodes(), new BothNodes()];
  const killed: string[] = [];
  const lost: string[] = [];
  RemoteNode.prototype.work = async function (this: RemoteNode, assignment) {
    if (assignment.kind === 'evaluate') return work.call(this, assignment);
    await (assignment.t < KILLED_AT ? joined : computed).named;
    const isFirst = assignment.t === KILLED_AT && killed.length === 0;
    if (isFirst) killed.push(this.name);
    const node = isFirst ? nodes.get(this.name) : undefined;
    // Stopped first, so that it can't answer before it is killed.
    node?.signal('SIGSTOP');
    const working = work.call(this, assignment);
    node?.signal('SIGKILL');
    try {
      const result = await working;
      computed.name(this.name);
      return result;
    } catch (error) {
      lost.push(this.name);
      throw error;
    }
  };
  const stop = new AbortController();
  const observer: RunObserver = {
    onEvent: (event) => event.kind === 'joined' && joined.name(event.node),
    onStep: ({ step }) => step > KILLED_AT && stop.abort(),
  };
  try {
    const { steps } = await run({ ...flags, workers: 0, listen: LISTEN }, { observer, stop: stop.signal });
    assert.ok(steps > KILLED_AT && steps < FLAGS.iterations, `stopped after ${steps} steps`);
    assert.equal(killed.length, 1);
    assert.deepEqual(lost, killed);
  } finally {
    RemoteNode.prototype.work = work;
    for (const name of killed) nodes.delete(name);
    startNode();
  }
}

/** Continues the run by three workers, and the nodes if they come in time; one of the workers is killed while it has shards. */
async function resume(flags: Readonly<Record<string, unknown>>): Promise<Result> {
  const { gradient } = LocalPool.prototype;
  LocalPool.prototype.gradient = async function (this: LocalPool, work) {
    LocalPool.prototype.gradient = gradient;
    // Computes the step for nobody until the kill comes before the worker's answer. Before each, all are up and this one has answered: a
    // worker that ends again and again before its first answer counts as one that can't start.
    for (;;) {
      const answered = this.workerSamples[1];
      while (this.ready < this.workers || this.workerSamples[1] === answered) await gradient.call(this, work);
      const [partials] = await Promise.all([gradient.call(this, work), this.kill(1)]);
      if (this.shardCounts.lost > 0) return partials;
    }
  };
  try {
    return await run({ ...flags, workers: 3, listen: LISTEN });
  } finally {
    LocalPool.prototype.gradient = gradient;
  }
}

interface Network {
  readonly model: ModelSpec;
  readonly flags: Readonly<Record<string, unknown>>;
  readonly whole: string;
  readonly expected: Result;
}

/** A network's files, and its run by one worker. */
async function prepared(model: ModelSpec): Promise<Network> {
  const place = join(folder, model.name);
  mkdirSync(place);
  const [data, spec, whole] = ['noise.safetensors', 'model.json', 'whole'].map((name) => join(place, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(data, Buffer.concat(packedPieces(noiseFor(model, SAMPLES))));
  writeFileSync(spec, JSON.stringify(model));
  const flags = { ...FLAGS, data, model: spec };
  return { model, flags, whole, expected: await run({ ...flags, workers: 1, out: whole }) };
}

// All before the nodes start: they wait for the first run, and hardly between runs.
const networks: Network[] = [];
for (const { model } of GOLDEN_NETWORKS) networks.push(await prepared(model));
for (let i = 0; i < 2; i++) startNode();

describe('the bits are those of one worker by nodes and workers that are killed, and after a resume', () => {
  for (const { model, flags, whole, expected } of networks) {
    it(model.name, HANG, async () => {
      const out = join(folder, model.name, 'disturbed');
      await trainByNodes({ ...flags, out });
      const { events, ...result } = await resume({ resume: out, data: flags.data });
      const { events: _, ...undisturbed } = expected;
      assert.deepEqual(result, undisturbed);
      assert.deepEqual(stepsOf(out), stepsOf(whole));
      assert.ok(events.some((event) => event.kind === 'notice' && /^Worker 1 was lost /.test(event.message)));
    });
  }
});
