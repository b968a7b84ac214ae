import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { isIP } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { joinCommand, nodesNeed } from '#src/coordinator/cluster/join-command.js';
import { newToken, Token } from '#src/shared/util/token.js';

const token = new Token(newToken());
const isLonely = !Object.values(networkInterfaces()).some((each = []) => each.some(({ internal }) => !internal));

describe('the command for nodes', () => {
  it('has an address that others reach and the file of the token, and says that nodes need that file', () => {
    const files = { tokenFile: join(process.cwd(), 'token'), tlsCert: undefined };
    const command = joinCommand('ws://0.0.0.0:9465', undefined, files, {});
    const [, host = ''] = /--token-file token --connect ws:\/\/(.*):9465$/.exec(command) ?? [];
    assert.ok(isIP(host) === 4 || isLonely, command);
    assert.ok(host !== '0.0.0.0' && (host !== '127.0.0.1' || isLonely), command);
    assert.equal(nodesNeed('ws://0.0.0.0:9465', { token, tls: undefined }, files), 'Each node needs a copy of token.');
  });

  it('needs nothing else on this machine', () => {
    const files = { tokenFile: join(process.cwd(), 'token'), tlsCert: undefined };
    assert.equal(nodesNeed('ws://127.0.0.1:9465', { token, tls: undefined }, files), undefined);
  });

  it('says where the token of a variable is needed', () => {
    const files = { tokenFile: undefined, tlsCert: undefined };
    assert.match(nodesNeed('ws://0.0.0.0:1', { token, tls: undefined }, files) ?? '', /LOCKSTEP_TOKEN\.$/);
  });
});

const openssl = spawnSync('openssl', ['version']).error === undefined;

describe('with TLS', { skip: !openssl && "openssl isn't installed" }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-join-'));
  after(() => rmSync(folder, { recursive: true }));

  function run(...args: readonly string[]): void {
    const { status, stderr } = spawnSync('openssl', args, { cwd: folder, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  }

  function pair(name: string) {
    const [cert, key] = [readFileSync(join(folder, `${name}.pem`)), readFileSync(join(folder, `${name}.key`))];
    return { tls: { cert, key }, tlsCert: join(folder, `${name}.pem`) };
  }

  it('names the certificate that signed itself as authority, and asks for that of another one', () => {
    const own = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=a', '-keyout', 'a.key', '-out', 'a.pem'];
    run('req', ...own, '-addext', 'subjectAltName=DNS:trainer.example');
    run('req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=b', '-keyout', 'b.key', '-out', 'b.csr');
    run('x509', '-req', '-in', 'b.csr', '-CA', 'a.pem', '-CAkey', 'a.key', '-CAcreateserial', '-out', 'b.pem');
    const [self, signed] = [pair('a'), pair('b')];
    const files = (tlsCert: string) => ({ tokenFile: undefined, tlsCert });
    const command = joinCommand('wss://0.0.0.0:1', self.tls, files(self.tlsCert), {});
    assert.match(command, /--tls-ca \S*a\.pem --connect wss:\/\/trainer\.example:1$/);
    const need = ({ tls, tlsCert }: typeof self) => nodesNeed('wss://0.0.0.0:1', { token, tls }, files(tlsCert));
    assert.match(need(self) ?? '', /a copy of \S*a\.pem/);
    assert.doesNotMatch(need(self) ?? '', /--tls-ca/);
    assert.match(need(signed) ?? '', /--tls-ca FILE with the certificate of this one's authority/);
  });
});
