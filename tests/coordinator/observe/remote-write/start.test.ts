import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { remoteWriteOf } from '#src/coordinator/observe/remote-write/start.js';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import { UsageError } from '#src/shared/util/errors.js';
import { lockstep } from '../../../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-remote-write-'));
after(() => rmSync(folder, { recursive: true }));

describe('what --remote-write refuses', () => {
  const refused = async (flags: Record<string, unknown>, env: NodeJS.ProcessEnv = {}): Promise<string> => {
    const { config } = resolveTrainConfig({ flags, env: {} });
    let message = '';
    await assert.rejects(remoteWriteOf(config, env), (error) => {
      assert.ok(error instanceof UsageError, String(error));
      message = error.message;
      return true;
    });
    return message;
  };
  const url = 'https://prometheus.example/api/v1/write';

  it('texts that are no URL of http or https', async () => {
    for (const text of ['127.0.0.1:9090', 'prometheus', 'ftp://host/', 'http://']) {
      const message = await refused({ remoteWrite: text });
      assert.match(message, /^--remote-write: expected a URL with http or https, such as http:/);
      assert.ok(message.includes(`but got "${text}"`), message);
    }
  });

  it('credentials, without showing them', async () => {
    for (const text of ['https://me:pass@host/', 'https://:pass@host/', 'ftp://me:pass@host/', 'me:pass@host']) {
      const message = await refused({ remoteWrite: text });
      assert.doesNotMatch(message, /pass@|me:/);
    }
    const message = await refused({ remoteWrite: 'https://me:pass@host/' });
    assert.match(message, /--remote-write-token-file FILE or LOCKSTEP_REMOTE_WRITE_TOKEN/);
  });

  it('tokens that cannot be read or sent, without showing them', async () => {
    assert.match(
      await refused({ remoteWrite: url, remoteWriteTokenFile: '/nowhere/token' }),
      /can't be read \(ENOENT\)/,
    );
    for (const token of ['two words', 'two\nlines', 'é', '\u0000']) {
      const message = await refused({ remoteWrite: url }, { LOCKSTEP_REMOTE_WRITE_TOKEN: token });
      assert.match(message, /^The token in LOCKSTEP_REMOTE_WRITE_TOKEN can't be sent/);
      assert.ok(!message.includes(token));
    }
  });

  it('before a run directory is made', () => {
    const out = join(folder, 'refused');
    const { status, stderr } = lockstep(['train', '--out', out, '--remote-write', 'nonsense']);
    assert.equal(status, 2);
    assert.match(stderr, /^--remote-write: expected a URL/);
    assert.ok(!readdirSync(folder).includes('refused'));
  });

  it('nothing else: a token comes from the file, else from the variable', async () => {
    const file = join(folder, 'other-token');
    writeFileSync(file, 'of-the-file\n');
    const tokenOf = async (flags: Record<string, unknown>, env: NodeJS.ProcessEnv) => {
      const { config } = resolveTrainConfig({ flags: { remoteWrite: url, ...flags }, env: {} });
      const found = await remoteWriteOf(config, env);
      return found?.token === undefined ? undefined : Buffer.from(found.token.key).toString();
    };
    const env = { LOCKSTEP_REMOTE_WRITE_TOKEN: 'of-the-variable' };
    assert.equal(await tokenOf({ remoteWriteTokenFile: file }, env), 'of-the-file');
    assert.equal(await tokenOf({}, env), 'of-the-variable');
    assert.equal(await tokenOf({}, { LOCKSTEP_REMOTE_WRITE_TOKEN: '' }), undefined);
  });
});
