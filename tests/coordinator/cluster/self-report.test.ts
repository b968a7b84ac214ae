import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { newFigures, SelfReport } from '#src/coordinator/cluster/self-report.js';
import type { NodeMessage } from '#src/shared/wire/messages.js';
import { ProtocolError } from '#src/shared/wire/protocol-error.js';
import { pongOf } from '../../support/bare-node.ts';

function assertBad(report: SelfReport, message: NodeMessage<'pong'>): void {
  assert.throws(
    () => report.take(message),
    (error) => error instanceof ProtocolError && error.closeCode === 'badResult',
  );
}

describe("a node's pongs", () => {
  it('add to its figures, over all of its connections', () => {
    const figures = newFigures();
    const first = new SelfReport(figures, 2);
    assert.deepEqual(figures.workerSamples, [0, 0]);
    first.take(pongOf([8, 16]));
    first.take(pongOf([24, 16], { workersLost: 1, processorSeconds: 1.5 }));
    assert.deepEqual([figures.workerSamples, figures.workersLost], [[24, 16], 1]);
    const second = new SelfReport(figures, 2);
    second.take(pongOf([8, 0], { workersLost: 2, processorSeconds: 0.5, memoryBytes: 6e7, eventLoopLagSeconds: 0 }));
    assert.deepEqual(figures, {
      workerSamples: [32, 16],
      workersLost: 3,
      processorSeconds: 2,
      vitals: { memoryBytes: 6e7, eventLoopLagSeconds: 0 },
    });
  });

  it('count the threads from the 64th on as one', () => {
    const figures = newFigures();
    const report = new SelfReport(figures, 1024);
    report.take(pongOf(Array.from({ length: 1024 }, () => 2)));
    report.take(pongOf(Array.from({ length: 1024 }, (_, worker) => (worker === 1023 ? 5 : 2))));
    assert.deepEqual(figures.workerSamples, [...new Array(63).fill(2), 2 * (1024 - 63) + 3]);
  });

  it('are refused if their threads are not those of the hello, and change nothing', () => {
    const figures = newFigures();
    const report = new SelfReport(figures, 2);
    report.take(pongOf([8, 16]));
    for (const samples of [[24], [24, 24, 8]]) assertBad(report, pongOf(samples));
    assertBad(report, pongOf([24, 24], { workersReady: 3 }));
    assert.deepEqual(figures.workerSamples, [8, 16]);
  });

  it('are refused if a count falls, and change nothing', () => {
    const figures = newFigures();
    const report = new SelfReport(figures, 2);
    report.take(pongOf([8, 16], { workersLost: 1, processorSeconds: 2 }));
    const rest = { workersLost: 1, processorSeconds: 2 };
    assertBad(report, pongOf([24, 15], rest));
    assertBad(report, pongOf([24, 24], { ...rest, workersLost: 0 }));
    assertBad(report, pongOf([24, 24], { ...rest, processorSeconds: 1.5 }));
    assert.deepEqual([figures.workerSamples, figures.workersLost], [[8, 16], 1]);
  });
});
