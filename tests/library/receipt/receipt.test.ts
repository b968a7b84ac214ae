// Receipts of small runs: made, altered, signed, compared, and computed again.
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { resolveJob } from '#src/library/inputs.js';
import { makeReceipt } from '#src/library/receipt/make.js';
import type { Receipt } from '#src/library/receipt/receipt.js';
import { receiptText } from '#src/library/receipt/signature.js';
import { reproduceReceipt, reproduceRun, validateReceipt } from '#src/library/reproduce.js';
import { train } from '#src/library/train.js';
import { checkpointName } from '#src/shared/checkpoint/checkpoint-file.js';
import { UsageError } from '#src/shared/util/errors.js';
import { madeFile } from '../../support/made-images.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-receipt-'));
after(() => rmSync(folder, { recursive: true }));

const data = madeFile(folder, 512, 64);
const env = { PATH: process.env.PATH, XDG_CACHE_HOME: join(folder, 'cache') };
const OPTIONS = {
  ...{ data, batch: 16, shardSize: 8, workers: 1, metricsPort: 'off', iterations: 12 },
  ...{ evaluateEvery: 5, checkpointEvery: 4, hashEvery: 3 },
};
const path = (name: string): string => join(folder, name);

/** Trains a run, and stops it after a step if one is given. */
async function trained(name: string, options: Readonly<Record<string, unknown>> = {}, stopAt = 0): Promise<string> {
  const stop = new AbortController();
  const job = await resolveJob({ flags: { ...OPTIONS, out: path(name), ...options }, env });
  const onStep = ({ step }: { readonly step: number }): void => {
    if (step === stopAt) stop.abort();
  };
  await train(job, { observers: [{ onStep }], stop: stop.signal });
  return path(name);
}

const whole = trained('whole');
const RECOMPUTE = { workers: 2, data, env, print: () => {}, show: () => {} };
const NOTHING = { key: undefined, with: undefined };

let files = 0;
function written(receipt: unknown): string {
  const file = path(`receipt-${++files}`);
  writeFileSync(file, typeof receipt === 'string' ? receipt : receiptText(receipt as Receipt));
  return file;
}

const validate = (receipt: unknown, options = {}) =>
  validateReceipt({ file: written(receipt), ...NOTHING, ...options });
const reproduce = (receipt: unknown, options = {}) =>
  reproduceReceipt({ file: written(receipt), ...NOTHING, ...RECOMPUTE, ...options });

/** JSON by RFC 8785, for values without numbers that are hard to write. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical((value as Record<string, unknown>)[key])}`).join()}}`;
}

/** A receipt with other contents, whose hash is right. */
function forged(
  receipt: Receipt,
  change: (copy: { config: Record<string, unknown>; result: Record<string, unknown> }) => void,
) {
  const { sha256: _, signature: __, ...claims } = structuredClone(receipt);
  change(claims as never);
  return { ...claims, sha256: createHash('sha256').update(canonical(claims)).digest('hex') };
}

function keyPair(name: string, type: 'ed25519' | 'ed448' = 'ed25519') {
  const { privateKey, publicKey } = generateKeyPairSync(type as 'ed25519');
  writeFileSync(path(`${name}.pem`), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  writeFileSync(path(`${name}.pub`), publicKey.export({ type: 'spki', format: 'pem' }));
  return { secret: path(`${name}.pem`), open: path(`${name}.pub`) };
}

describe('a receipt', () => {
  it('is canonical JSON of about a kilobyte, with its own hash', async () => {
    const receipt = await makeReceipt(await whole, undefined);
    const text = receiptText(receipt);
    assert.equal(text, `${canonical(receipt)}\n`);
    assert.ok(text.length < 1100, `${text.length}`);
    const { sha256, ...claims } = receipt;
    assert.equal(sha256, createHash('sha256').update(canonical(claims)).digest('hex'));
    assert.deepEqual([receipt.config.model, receipt.result.steps, receipt.result.testedAt], ['lenet5', 12, 12]);
    const { same, problems } = await validate(receipt, { with: await whole });
    assert.deepEqual([same, problems], [true, []]);
  });

  it('in which any value is changed, or another way of writing it, is noticed', async () => {
    const text = receiptText(await makeReceipt(await whole, undefined)).trimEnd();
    const altered = [
      ...[...text.matchAll(/\d+/g)].map(({ index }) => {
        const digit = text[index] === '9' ? '8' : String(Number(text[index]) + 1);
        return text.slice(0, index) + digit + text.slice(index + 1);
      }),
      text.replace('{', '{ '),
      text.replace('"batch":16', '"batch":16.0'),
      text.replace('"adam"', '"adamw"'),
    ];
    for (const each of altered) {
      const isNoticed = await validate(each).then(
        ({ same }) => !same,
        (error: Error) => error instanceof UsageError,
      );
      assert.ok(isNoticed, each);
    }
  });

  it('that is none is refused', async () => {
    const receipt = await makeReceipt(await whole, undefined);
    for (const each of [
      'text',
      '{}',
      { ...receipt, more: 1 },
      forged(receipt, ({ config }) => Object.assign(config, { out: '/tmp' })),
      forged(receipt, ({ config }) => Object.assign(config, { init: '/tmp' })),
      forged(receipt, ({ config }) => Object.assign(config, { model: '/etc/passwd' })),
      forged(receipt, ({ config }) => Object.assign(config, { batch: 'many' })),
    ]) {
      await assert.rejects(validate(each), UsageError, JSON.stringify(each));
    }
    await assert.rejects(validate('null'), /can use \(Invalid input/);
    const wrong = forged(receipt, ({ config }) => Object.assign(config, { batch: 12 }));
    await assert.rejects(validate(wrong), /can use \(config\.batch: /);
  });

  it('of another run, or whose run was altered, is told from this one', async () => {
    const receipt = await makeReceipt(await whole, undefined);
    const other = forged(receipt, ({ result }) => Object.assign(result, { testAccuracy: 0.99 }));
    const { same, compared } = await validate(other, { with: await whole });
    assert.deepEqual([same, compared?.differences.map(({ field }) => field)], [false, ['result.testAccuracy']]);
    const copy = path('altered');
    cpSync(await whole, copy, { recursive: true });
    rmSync(join(copy, 'steps.jsonl'));
    assert.equal((await validate(receipt, { with: copy })).same, false);
    await assert.rejects(makeReceipt(copy, undefined), /contradict each other/);
  });

  it('is compared with the last checkpoint alone', async () => {
    const receipt = await makeReceipt(await whole, undefined);
    const checkpoint = (step: number): string => join(path('whole'), 'checkpoints', checkpointName(step));
    assert.equal((await validate(receipt, { with: checkpoint(12) })).same, true);
    const other = forged(receipt, ({ result }) => Object.assign(result, { weightsSha256: 'a'.repeat(64) }));
    assert.equal((await validate(other, { with: checkpoint(12) })).same, false);
    await assert.rejects(validate(receipt, { with: checkpoint(8) }), /--steps 4/);
  });
});

describe("a receipt's signature", () => {
  const [alice, bob] = [keyPair('alice'), keyPair('bob')];

  it('is of the one who made it, and of these contents', async () => {
    const receipt = await makeReceipt(await whole, alice.secret);
    assert.equal((await validate(receipt)).same, true);
    assert.equal((await validate(receipt, { key: alice.open })).same, true);
    assert.match((await validate(receipt)).signature.key ?? '', /^SHA256:/);
    const byBob = await validate(receipt, { key: bob.open });
    assert.match(byBob.signature.problem ?? '', /another key/);
    assert.equal(byBob.same, false);
    const { signature } = receipt;
    const moved = { ...forged(receipt, ({ result }) => Object.assign(result, { testAccuracy: 1 })), signature };
    assert.deepEqual((await validate(moved)).problems, []);
    assert.match((await validate(moved)).signature.problem ?? '', /these contents/);
  });

  it('is missed if there is none, but one is to be there', async () => {
    const receipt = await makeReceipt(await whole, undefined);
    assert.equal((await validate(receipt, { key: alice.open })).same, false);
  });

  it('can only be by a key for Ed25519', async () => {
    const other = keyPair('other', 'ed448');
    await assert.rejects(makeReceipt(await whole, other.secret), /--sign .*ed448.*openssl genpkey/);
    await assert.rejects(makeReceipt(await whole, alice.open), /--sign .*no such key/);
    await assert.rejects(makeReceipt(await whole, path('nothing')), /ENOENT/);
    const receipt = await makeReceipt(await whole, alice.secret);
    await assert.rejects(validate(receipt, { key: other.open }), /--key .*ed448/);
  });
});

describe('a receipt is computed again', () => {
  it('from the beginning, on any number of workers', async () => {
    const receipt = await makeReceipt(await whole, undefined);
    const { same, recomputed } = await reproduce(receipt);
    assert.deepEqual([same, recomputed], [true, { from: 0, to: 12, workers: 2, differences: [] }]);
  });

  it('and is found out if it claims what was not computed', async () => {
    const receipt = await makeReceipt(await whole, undefined);
    for (const [change, fields] of [
      [{ result: { testAccuracy: 0.99 } }, ['result.testAccuracy']],
      [{ result: { weightsSha256: 'a'.repeat(64) } }, ['result.weightsSha256']],
      [{ result: { chain: 'a'.repeat(64) } }, ['result.chain']],
      [{ config: { seed: 2 } }, ['result.weightsSha256', 'result.chain', 'result.trainLoss']],
    ] as const) {
      const other = forged(receipt, (copy) => {
        Object.assign(copy.config, 'config' in change ? change.config : {});
        Object.assign(copy.result, 'result' in change ? change.result : {});
      });
      const { same, problems, recomputed } = await reproduce(other);
      assert.deepEqual([same, problems], [false, []]);
      const found = recomputed?.differences.map(({ field }) => field) ?? [];
      for (const field of fields) assert.ok(found.includes(field), `${field} in ${found}`);
    }
  });

  it('in part, from the nearest checkpoint that somebody has', async () => {
    const receipt = await makeReceipt(await whole, undefined);
    for (const [steps, from] of [
      [1, 8],
      [4, 8],
      [5, 4],
      [100, 0],
    ] as const) {
      const { same, recomputed } = await reproduce(receipt, { steps, with: await whole });
      assert.deepEqual([same, recomputed?.from], [true, from]);
    }
    const file = join(await whole, 'checkpoints', checkpointName(8));
    assert.equal((await reproduce(receipt, { steps: 2, with: file })).recomputed?.from, 8);
    await assert.rejects(reproduce(receipt, { steps: 2 }), /--with/);
    // Checkpoints of other runs are passed over.
    const other = await trained('other', { seed: 2 });
    const lines: string[] = [];
    const print = (line: string): number => lines.push(line);
    assert.equal((await reproduce(receipt, { steps: 2, with: other, print })).recomputed?.from, 0);
    assert.match(lines.join('\n'), /no checkpoint that fits, so all steps are computed/);
  });

  it('in part, from a checkpoint of before a resume that raised the iterations', async () => {
    const run = await trained('short', { schedule: 'constant' });
    await train(await resolveJob({ flags: { resume: run, iterations: 20, workers: 1, data }, env }));
    const receipt = await makeReceipt(run, undefined);
    const { same, recomputed } = await reproduce(receipt, { steps: 9, with: run });
    assert.deepEqual([same, recomputed?.from, recomputed?.to], [true, 8, 20]);
  });

  it('if its run was stopped after an evaluation, or ended early', async () => {
    const stopped = await makeReceipt(await trained('stopped', { iterations: 60, evaluateEvery: 20 }, 21), undefined);
    const { steps, testedAt = 0 } = stopped.result;
    assert.ok(testedAt >= 20 && testedAt < steps && steps < 60, `${testedAt} ${steps}`);
    assert.equal((await reproduce(stopped)).same, true);
    const patience = { validation: 0.2, patience: 1, evaluateEvery: 2, iterations: 60, learningRate: 0.02 };
    const early = await makeReceipt(await trained('early', patience), undefined);
    assert.deepEqual([early.result.stoppedEarly, early.config.evaluateEvery], [true, 2]);
    assert.equal((await reproduce(early)).same, true);
    const longer = forged(early, ({ result }) => Object.assign(result, { steps: early.result.steps + 1 }));
    assert.equal((await reproduce(longer)).same, false);
  });

  it('with the initial weights of another run, if those are named', async () => {
    const run = await trained('initial', { init: await whole });
    const receipt = await makeReceipt(run, undefined);
    await assert.rejects(reproduce(receipt), /initial weights.*--with/);
    await assert.rejects(reproduce(receipt, { with: await whole }), /no checkpoint that fits/);
    assert.equal((await reproduce(receipt, { with: run })).same, true);
  });

  it('with a network of its own', async () => {
    const layers = [{ kind: 'dense', units: 12 }, { kind: 'relu' }, { kind: 'dense', units: 10 }];
    const model = path('own.json');
    writeFileSync(model, JSON.stringify({ name: 'own', layers }));
    const receipt = await makeReceipt(await trained('network', { model }), undefined);
    assert.equal(typeof receipt.config.model, 'object');
    assert.equal((await reproduce(receipt)).same, true);
  });
});

describe('a run is trained again', () => {
  it('from its beginning to its end, or from the nearest checkpoint', async () => {
    const all = await reproduceRun(await whole, RECOMPUTE);
    const spans = all.recomputed.spans.map(({ from, to }) => `${from} to ${to}`);
    assert.deepEqual([all.same, spans, all.recomputed.share], [true, ['0 to 4', '4 to 8', '8 to 12'], 1]);
    const part = await reproduceRun(await whole, { ...RECOMPUTE, steps: 3 });
    assert.deepEqual([part.same, part.recomputed.spans.map(({ from, to }) => [from, to])], [true, [[8, 12]]]);
  });

  it('up to the first difference', async () => {
    const copy = path('forged');
    cpSync(await whole, copy, { recursive: true });
    const from = join(await trained('seed 3', { seed: 3 }), 'steps.jsonl');
    cpSync(from, join(copy, 'steps.jsonl'));
    const { same, recomputed } = await reproduceRun(copy, RECOMPUTE);
    assert.deepEqual([same, recomputed.spans.map(({ to, first }) => [to, first?.step])], [false, [[4, 1]]]);
  });

  it('without its checkpoints, in one piece', async () => {
    const copy = path('bare');
    cpSync(await whole, copy, { recursive: true });
    for (const step of [4, 8]) rmSync(join(copy, 'checkpoints', checkpointName(step)));
    const { same, recomputed } = await reproduceRun(copy, RECOMPUTE);
    assert.deepEqual([same, recomputed.spans.map(({ from, to }) => [from, to])], [true, [[0, 12]]]);
  });
});
