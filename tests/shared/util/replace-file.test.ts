import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { makePlainFolder, openPlainFile, readPlainFile, type Way } from '#src/shared/util/plain-file.js';
import { fileOperations, replacedBy, replaceFile } from '#src/shared/util/replace-file.js';

const root = mkdtempSync(join(tmpdir(), 'lockstep-replace-'));
after(() => rmSync(root, { recursive: true }));

function folderWithTarget(): { folder: string; target: string } {
  const folder = mkdtempSync(join(root, 'folder-'));
  const target = join(folder, 'target');
  writeFileSync(target, "somebody's");
  return { folder, target };
}

describe('replaceFile', () => {
  it('follows no link, neither at the path nor at a temporary name', async () => {
    const { folder, target } = folderWithTarget();
    const path = join(folder, 'out');
    symlinkSync(target, path);
    symlinkSync(target, `${path}.tmp`);
    await replaceFile(path, Buffer.from('ours'));
    assert.equal(readFileSync(target, 'utf8'), "somebody's");
    assert.equal(readFileSync(path, 'utf8'), 'ours');
    assert.deepEqual(readdirSync(folder).sort(), ['out', 'out.tmp', 'target']);
  });

  it('gives each temporary file another name, which must not exist', async () => {
    const { folder, target } = folderWithTarget();
    const names: string[] = [];
    const files = {
      ...fileOperations,
      write: async (path: string) => {
        names.push(path);
        symlinkSync(target, path);
        await fileOperations.write(path, Buffer.from('ours'));
      },
    };
    for (let time = 0; time < 2; time++) {
      await assert.rejects(replaceFile(join(folder, 'out'), Buffer.from('ours'), { files }), { code: 'EEXIST' });
    }
    assert.equal(new Set(names).size, 2);
    for (const name of names) assert.equal(replacedBy(name), join(folder, 'out'));
    assert.equal(readFileSync(target, 'utf8'), "somebody's");
  });

  it('writes text piece by piece, and nothing if a piece fails', async () => {
    const { folder } = folderWithTarget();
    const path = join(folder, 'out');
    await replaceFile(path, pieces());
    assert.equal(readFileSync(path, 'utf8'), 'one two');
    await assert.rejects(replaceFile(path, pieces(new Error('the source ends'))), /the source ends/);
    assert.equal(readFileSync(path, 'utf8'), 'one two');
    assert.deepEqual(readdirSync(folder).sort(), ['out', 'target']);
  });

  it('gives the file the permissions that are asked for', async () => {
    const path = join(mkdtempSync(join(root, 'mode-')), 'secret');
    writeFileSync(path, 'for all', { mode: 0o644 });
    await replaceFile(path, Buffer.from('for one'), { mode: 0o600 });
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });
});

describe('openPlainFile', () => {
  for (const way of ['update', 'make'] satisfies Way[]) {
    it(`refuses a link (${way}), also one to a missing file`, async () => {
      const { folder, target } = folderWithTarget();
      const [link, dangling] = [join(folder, 'link'), join(folder, 'dangling')];
      symlinkSync(target, link);
      symlinkSync(join(folder, 'missing'), dangling);
      for (const path of [link, dangling]) await assert.rejects(openPlainFile(path, way), /it is a symbolic link/);
      assert.ok(!existsSync(join(folder, 'missing')));
    });
  }

  it('refuses a pipe, a device and a folder without waiting, whatever they are opened for', async () => {
    const pipe = join(mkdtempSync(join(root, 'pipe-')), 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const path of [pipe, '/dev/zero', root]) {
      for (const way of ['read', 'update', 'make'] satisfies Way[]) {
        await assert.rejects(openPlainFile(path, way), /expected a plain file, but it is a pipe, a device or a folder/);
      }
    }
  });
});

it('readPlainFile refuses what is larger than expected', async () => {
  const { target } = folderWithTarget();
  assert.equal(String(await readPlainFile(target, 10)), "somebody's");
  await assert.rejects(readPlainFile(target, 9), /expected at most 9 bytes, but it has 10/);
});

it('makePlainFolder makes a folder, and refuses a link to one', async () => {
  const folder = mkdtempSync(join(root, 'folders-'));
  await makePlainFolder(join(folder, 'made'));
  await makePlainFolder(join(folder, 'made'));
  symlinkSync(join(folder, 'made'), join(folder, 'link'));
  await assert.rejects(makePlainFolder(join(folder, 'link')), /expected a folder, but it is a symbolic link/);
});

async function* pieces(failure?: Error): AsyncGenerator<string> {
  yield 'one ';
  if (failure !== undefined) throw failure;
  yield 'two';
}
