import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { EventFile } from '#src/coordinator/observe/tensorboard/event-file.js';
import { EventLog } from '#src/coordinator/observe/tensorboard/event-log.js';
import { histogramOf } from '#src/coordinator/observe/tensorboard/histogram.js';
import { crc32c, frame } from '#src/coordinator/observe/tensorboard/records.js';
import { openLogFile } from '#src/coordinator/run/step-file.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { RunLockError } from '#src/shared/util/errors.js';
import { lenet5 } from '../../../support/models.ts';

const root = await mkdtemp(join(tmpdir(), 'lockstep-event-file-'));
after(() => rm(root, { recursive: true }));

const [first, second] = [Buffer.from('first'), Buffer.from('second')];
const both = Buffer.concat([frame(first), frame(second)]);

async function newPath(): Promise<string> {
  return join(await mkdtemp(join(root, 'run-')), 'tensorboard', 'events.out.tfevents.1800000000.host.1');
}

/** Opens files whose writes leave three bytes and fail, while `state.fails`. */
function failingWhile(state: { fails: boolean }): typeof openLogFile {
  return async (path, flags) => {
    const file = await openLogFile(path, flags);
    return {
      ...file,
      write: async (bytes, position) => {
        await file.write(state.fails ? bytes.subarray(0, 3) : bytes, position);
        if (state.fails) throw new Error('ENOSPC: no space left on device, write');
      },
    };
  };
}

describe('records', () => {
  it("have the checksum of RFC 3720's polynomial", () => {
    assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
    assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  });

  it("have the bytes that the tensorboard package's own writer gives", () => {
    assert.equal(frame(Buffer.from('abc')).toString('hex'), '0300000000000000b099490e6162636e57f121');
  });
});

describe('EventFile', () => {
  it('makes the folder and writes the records in order', async () => {
    const path = await newPath();
    const file = new EventFile(path, { onNotice: assert.fail });
    file.append(first);
    await file.flush();
    file.append(second);
    await file.close();
    file.append(second);
    assert.deepEqual(await readFile(path), both);
  });

  it('tells a failure once, tries again, and leaves no gap and no torn record', async () => {
    const [path, told, state] = [await newPath(), [] as string[], { fails: true }];
    const file = new EventFile(path, { onNotice: (message) => told.push(message), openFile: failingWhile(state) });
    file.append(first);
    await file.flush();
    file.append(second);
    await file.flush();
    assert.equal(told.length, 1);
    assert.match(told[0] ?? '', /^WAITING FOR THE DISK: .* could not be written: ENOSPC.* Training continues/);
    state.fails = false;
    await file.close();
    assert.match(told[1] ?? '', /written again: TensorBoard's event files, with every step/);
    assert.deepEqual([await readFile(path), told.length], [both, 2]);
  });

  it('says what is lost where the disk fails to the end', async () => {
    const [path, told] = [await newPath(), [] as string[]];
    const openFile = failingWhile({ fails: true });
    const file = new EventFile(path, { onNotice: (message) => told.push(message), openFile });
    file.append(first);
    await file.close();
    assert.match(told.join('\n'), /ENOSPC.*\n.*end here: the disk still fails/);
  });

  it('ends rather than eat all memory', async () => {
    const [told, openFile] = [[] as string[], failingWhile({ fails: true })];
    const file = new EventFile(await newPath(), { onNotice: (message) => told.push(message), openFile });
    for (let i = 0; i < 40; i++) file.append(new Uint8Array(1 << 19));
    assert.match(told.join('\n'), /end here: the disk is too slow; the run continues without them/);
    await file.close();
  });

  it('ends where another process owns the run directory', async () => {
    const [path, told] = [await newPath(), [] as string[]];
    const mayWrite = async (): Promise<void> => {
      throw new RunLockError('Another process owns it.', { lost: true });
    };
    const file = new EventFile(path, { onNotice: (message) => told.push(message), mayWrite });
    file.append(first);
    await file.flush();
    await file.close();
    assert.match(told.join('\n'), /^TensorBoard's event files end here: Another process owns it/);
    await assert.rejects(readFile(path), /ENOENT/);
  });
});

describe('EventLog', () => {
  it('names its file after those of earlier attempts, also where the clock was set back', async () => {
    const folder = join(await mkdtemp(join(root, 'run-')), 'tensorboard');
    const layout = layoutOf(lenet5('rbf', 0.1));
    for (const [from, seconds] of [
      [0, 1_800_000_000],
      [5, 1_700_000_000],
    ] as const) {
      const log = await EventLog.open({ folder, layout, from, now: () => seconds * 1000, onNotice: assert.fail });
      await log.close();
    }
    const names = (await readdir(folder)).sort();
    assert.deepEqual(
      names.map((name) => name.split('.')[3]),
      ['1800000000', '1800000001'],
    );
  });
});

describe('histogramOf', () => {
  it('counts every value between the least and the greatest', () => {
    const { min, max, num, sum, sumSquares, bucket, bucketLimit } = histogramOf(Float32Array.of(0, 0.5, 28, 30));
    assert.deepEqual([min, max, num, sum, sumSquares], [0, 30, 4, 58.5, 1684.25]);
    const filled = bucket.flatMap((count, i) => (count > 0 ? [[bucketLimit[i], count]] : []));
    assert.deepEqual(filled, [
      [1, 2],
      [29, 1],
      [30, 1],
    ]);
  });

  it('has one bucket where all are equal, and leaves out what is not finite', () => {
    const { bucket, bucketLimit, num } = histogramOf(Float32Array.of(3, Number.NaN, 3, Number.POSITIVE_INFINITY));
    assert.deepEqual([bucket, bucketLimit, num], [[2], [3], 2]);
    assert.equal(histogramOf(new Float32Array(0)).num, 0);
  });
});
