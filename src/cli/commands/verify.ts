// lockstep verify                     three spans of the newest run, chosen at random
// lockstep verify runs/first --all    every step
import { availableParallelism } from 'node:os';
import { findRun } from '../../coordinator/run/find.ts';
import { type Manifest, readManifest } from '../../coordinator/run/manifest.ts';
import { type RecomputedSpan, type Verification, verifyRun } from '../../library/verify/verification.ts';
import { resolveReadConfig, type TrainConfig } from '../../shared/config/config.ts';
import { readSources, type Sources } from '../../shared/config/sources.ts';
import { openDataset } from '../../shared/data/open.ts';
import { SYNTHETIC_SHA256 } from '../../shared/data/synthetic.ts';
import { numericsDigest } from '../../shared/engine/wasm/exports.ts';
import { SharedMemory } from '../../shared/engine/wasm/memory.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { shortDigest, shownPath } from '../../shared/util/shown-path.ts';
import { Terminal } from '../progress/terminal.ts';

const USUAL_SPANS = 3;

/**
 * `lockstep verify [RUN]`: whether a run is what its config makes, found by computing parts of it again.
 * @returns the exit code: 1 where anything differs
 * @throws UsageError where this build or this data set can't tell
 */
export async function verify(path: string | undefined, options: Readonly<Record<string, unknown>>): Promise<number> {
  const { all, spans, ...flags } = options;
  const sources = { flags, env: process.env };
  const { data, json } = resolveReadConfig(sources);
  const count = all === true ? Number.POSITIVE_INFINITY : spanCount(spans);
  const named = path === undefined ? undefined : callerPath(path, process.env);
  const run = await findRun(named, callerPath('runs', process.env));
  const manifest = await readManifest(run);
  refuseOtherNumerics(run, manifest);

  const terminal = new Terminal({ stream: process.stderr, env: process.env, now: () => performance.now() });
  const console = {
    print: (line: string): void => terminal.print(line),
    show: (text: string): void => terminal.showText(text),
  };
  const memory = new SharedMemory();
  const trainedOn = manifest.digests.dataset;
  const allocate = (length: number): Uint8Array => memory.bytes(length);
  const recorded = manifest.config.data;
  const dataset = await openDataset({ flag: data, env: process.env, allocate, trainedOn, recorded, ...console });
  refuseOtherData(run, manifest, dataset.sha256);
  const workers = workersFor(manifest.config, sources);
  const verification = await verifyRun({ run, manifest, spans: count, workers, dataset, memory, ...console });
  process.stdout.write(json ? `${JSON.stringify(verification)}\n` : verificationText(verification, workers));
  return verification.same ? 0 : 1;
}

function spanCount(given: unknown): number {
  if (given === undefined) return USUAL_SPANS;
  const count = Number(given);
  if (/^\d+$/.test(String(given)) && Number.isSafeInteger(count) && count > 0) return count;
  throw new UsageError(`--spans: expected a whole number from 1, but got "${given}". For every span: --all.`);
}

/** As many as were asked for, or as this machine has use for: the run's own number is of no account. */
function workersFor({ batch, shardSize }: TrainConfig, sources: Sources): number {
  const { workers } = readSources(sources, ['workers']);
  return typeof workers?.value === 'number' ? workers.value : Math.min(availableParallelism(), batch / shardSize);
}

function refuseOtherNumerics(run: string, { digests, versions }: Manifest): void {
  const own = numericsDigest();
  if (digests.numerics === own) return;
  throw new UsageError(
    `${shownPath(run)} can't be verified by this build: the run has the numerics ${shortDigest(digests.numerics)}, ` +
      `but these are ${shortDigest(own)}. Use the build that trained it, version ${versions.lockstep ?? 'unknown'}.`,
  );
}

function refuseOtherData(run: string, { digests, dataset }: Manifest, sha256: string): void {
  if (digests.dataset === sha256) return;
  const advice = digests.dataset === SYNTHETIC_SHA256 ? 'Add --data synthetic.' : `Name its folder by --data.`;
  throw new UsageError(
    `${shownPath(run)} can't be verified with this data set: the run has ${dataset}, ${shortDigest(digests.dataset)}, ` +
      `but this is ${shortDigest(sha256)}. ${advice}`,
  );
}

function verificationText(verification: Verification, workers: number): string {
  const { run, same, steps, recomputed, chain, log, damaged } = verification;
  const { spans } = recomputed;
  const percent = Math.floor(100 * recomputed.share);
  const lines = [
    `run         ${shownPath(run)}`,
    `log         ${log.problem === undefined ? `${counted(log.last, 'step')}, none missing` : `DIFFERS: ${log.problem}`}`,
    `hash chain  ${chainText(chain)}`,
    ...damaged.map(({ problem }) => `checkpoint  DAMAGED: ${problem}`),
    `recomputed  ${spans.length} of ${counted(recomputed.of, 'span')}, ${number(recomputed.steps)} of ` +
      `${counted(steps, 'step')} (${percent} %), with ${counted(workers, 'worker')}`,
    ...spans.map((span) => `  ${spanText(span)}`),
    same ? 'All that was compared is the same, bit for bit.' : 'The run is NOT what was computed here.',
  ];
  return `${lines.join('\n')}\n`;
}

function chainText({ links, first }: Verification['chain']): string {
  if (first === undefined) return `${counted(links, 'link')}, the same`;
  const place = first.step === undefined ? 'run.json has' : `at step ${number(first.step)} the log has`;
  return `DIFFERS: ${place} ${first.logged}, but its links make ${first.computed}`;
}

function spanText({ from, to, first }: RecomputedSpan): string {
  const steps = `steps ${number(from + 1)} to ${number(to)}`;
  if (first === undefined) return `${steps}: the same`;
  const { step, field, logged, computed } = first;
  return `${steps}: DIFFER first at step ${number(step)}: ${field} is ${logged ?? 'missing'}, computed ${computed ?? 'none'}`;
}

function counted(count: number, noun: string): string {
  return `${number(count)} ${noun}${count === 1 ? '' : 's'}`;
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
