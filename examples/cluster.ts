// A coordinator and two nodes on one machine, each a process of its own, and the same bits as without them:
//
//     node cluster.ts
//     node cluster.ts --data synthetic --iterations 100
//
// On several machines, give the coordinator `listen: '0.0.0.0:9465'`, a `tokenFile` and TLS, and its address to the nodes.
//
// `node cluster.ts` needs Node 22.18 or later (else see README.md), and `"type": "module"` in package.json.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startCoordinator, startNode, train } from 'lockstep';

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: 'mnist' },
    iterations: { type: 'string', default: '500' },
    connect: { type: 'string' },
    name: { type: 'string' },
  },
});

/** This process as a node. */
async function compute(url: string): Promise<void> {
  const node = await startNode({ url, threads: 1, ...(values.name && { name: values.name }) });
  console.log(`${values.name}: the run has ${await node.ended}`);
}

async function coordinate(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'cluster-'));
  const options = { data: values.data, iterations: Number(values.iterations), batch: 256 };
  const coordinator = await startCoordinator(
    { ...options, workers: 0, out: join(folder, 'nodes') },
    { onNode: ({ kind, node }) => console.log(`${node} has ${kind === 'joined' ? 'joined' : 'gone'}`) },
  );
  const nodes = ['first', 'second'].map((name) =>
    fork(fileURLToPath(import.meta.url), ['--connect', coordinator.url, '--name', name]),
  );
  const ends = nodes.map((node) => once(node, 'exit'));
  const run = await coordinator.ended;
  // A node that starts too late to join would wait for another run.
  setTimeout(() => {
    for (const node of nodes) node.kill();
  }, 5000).unref();
  await Promise.all(ends);
  console.log(`By two nodes:    ${run.weightsSha256}`);
  const alone = await train({ ...options, out: join(folder, 'alone') });
  console.log(`By this process: ${alone.weightsSha256}`);
}

await (values.connect === undefined ? coordinate() : compute(values.connect));
