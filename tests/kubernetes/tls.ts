import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A server's key and certificate, and that of the authority that signed it, as cert-manager names them.
 * @param parent an existing folder @param host the server's name @returns paths of ca.crt, tls.crt and tls.key
 */
export function makeCertificate(parent: string, host: string): string[] {
  const folder = mkdtempSync(join(parent, 'tls-'));
  const openssl = (commandLine: string): void => {
    const { status, stderr } = spawnSync('openssl', commandLine.split(' '), { cwd: folder, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  };
  const key = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc';
  openssl(`req -x509 ${key} -keyout ca.key -out ca.crt -subj /CN=authority -days 1`);
  openssl(`req ${key} -keyout tls.key -out tls.csr -subj /CN=${host}`);
  writeFileSync(join(folder, 'extensions'), `subjectAltName=DNS:${host}\n`);
  openssl('x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out tls.crt -days 1 -extfile extensions');
  return ['ca.crt', 'tls.crt', 'tls.key'].map((name) => join(folder, name));
}
