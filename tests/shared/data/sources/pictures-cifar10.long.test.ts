// CIFAR-10 as a folder of 60,000 JPEG files, where $CIFAR10_DIR names the folder of cifar10-jpeg.tar.gz.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { bytesIn, OWN_ARRAYS } from '#src/shared/data/dataset.js';
import { placeAt } from '#src/shared/data/place.js';
import { PICTURES } from '#src/shared/data/sources/pictures.js';

const { CIFAR10_DIR } = process.env;
const folder = mkdtempSync(join(tmpdir(), 'lockstep-cifar10-'));
after(() => rmSync(folder, { recursive: true }));

if (process.env.CI === 'true') test('has the real set', () => assert.ok(CIFAR10_DIR));

test('a real set is read from its files', { skip: CIFAR10_DIR ? false : '$CIFAR10_DIR is not set' }, async () => {
  const archive = join(CIFAR10_DIR as string, 'cifar10-jpeg.tar.gz');
  assert.equal(spawnSync('tar', ['xzf', archive, '-C', folder]).status, 0);
  const [printed, shown]: [string[], string[]] = [[], []];
  const { shape, read } = await PICTURES.find(await placeAt(folder, 'the test'), {
    env: { XDG_CACHE_HOME: join(folder, 'cache') },
    print: (line) => void printed.push(line),
    show: (text) => void shown.push(text),
    reading: {},
  });
  assert.deepEqual(shape, {
    ...{ maps: 3, height: 32, width: 32, classes: 10, inputs: 'uint8', targets: 'uint16' },
    ...{ samples: 50_000, testSamples: 10_000 },
  });
  assert.deepEqual(printed, []);
  assert.ok(shown.length > 90, `${shown.length} texts of progress`);
  const { train, test: tested, classNames } = await read(OWN_ARRAYS);
  assert.deepEqual([classNames[0], classNames[9]], ['airplane', 'truck']);
  // The published means of the channels; JPEG files have them to a few thousandths.
  for (const [part, means] of [
    [train, [0.4914, 0.4822, 0.4465]],
    [tested, [0.4942, 0.4851, 0.4504]],
  ] as const) {
    const inputs = bytesIn(part);
    for (let k = 0; k < 10; k++) assert.equal(part.targets.filter((target) => target === k).length, part.count / 10);
    for (const [map, mean] of means.entries()) {
      let sum = 0;
      for (let i = 0; i < part.count; i++) {
        for (let p = 0; p < 1024; p++) sum += inputs[(3 * i + map) * 1024 + p] as number;
      }
      assert.ok(Math.abs(sum / (255 * 1024 * part.count) - mean) < 0.004, `${map}: ${sum / (255 * 1024 * part.count)}`);
    }
  }
});
