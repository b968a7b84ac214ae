import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { addTarget, TARGETS } from '#src/coordinator/observe/prometheus/targets.js';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-targets-'));
after(() => rmSync(folder, { recursive: true }));

interface Group {
  readonly targets: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

function read(file: string): Group[] {
  return JSON.parse(readFileSync(file, 'utf8'));
}

const addresses = (file: string): string[] =>
  read(file)
    .flatMap(({ targets }) => targets)
    .sort();

describe('the targets for Prometheus', () => {
  it('of runs that come and go at once are all there, and then none of them', async () => {
    const file = join(folder, 'shared.json');
    const ports = Array.from({ length: 12 }, (_, i) => 20_000 + i);
    const added = await Promise.all(ports.map((port) => addTarget(file, `http://127.0.0.1:${port}`)));
    assert.deepEqual(
      addresses(file),
      ports.map((port) => `127.0.0.1:${port}`),
    );
    for (const { labels = {} } of read(file)) {
      // Series get no label but those of their target.
      assert.ok(Object.keys(labels).every((name) => name.startsWith('__')));
    }
    await Promise.all(added.map((target) => target.remove()));
    assert.deepEqual(read(file), []);
    assert.deepEqual(readdirSync(folder), ['shared.json'], 'a lock or a temporary file was left');
  });

  it("keep others' entries, and lose those of a process that was killed", async () => {
    const file = join(folder, 'kept.json');
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    const others: Group[] = [
      { targets: ['node-exporter:9100'], labels: { team: 'a' } },
      { targets: ['127.0.0.1:1'], labels: { __lockstep_host: hostname(), __lockstep_pid: String(pid) } },
      { targets: ['10.0.0.1:9464'], labels: { __lockstep_host: 'elsewhere', __lockstep_pid: String(pid) } },
    ];
    writeFileSync(file, JSON.stringify(others));
    const target = await addTarget(file, 'http://127.0.0.1:2');
    assert.deepEqual(addresses(file), ['10.0.0.1:9464', '127.0.0.1:2', 'node-exporter:9100']);
    await target.remove();
    assert.deepEqual(read(file), [others[0], others[2]]);
  });

  it('are an address that other machines reach', async () => {
    const file = join(folder, 'wildcard.json');
    await addTarget(file, 'http://0.0.0.0:9464');
    assert.doesNotMatch(addresses(file).join(), /^0\.0\.0\.0/);
  });

  it('replace no other file', async () => {
    for (const text of ['{"a": 1}', 'a text', '[1]']) assert.equal(TARGETS.isOwn(Buffer.from(text)), false, text);
    const file = join(folder, 'other.json');
    writeFileSync(file, '{"precious": true}');
    await assert.rejects(addTarget(file, 'http://127.0.0.1:3'), /--metrics-targets: .*isn't a list of targets/);
    assert.equal(readFileSync(file, 'utf8'), '{"precious": true}');
  });
});
