import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { CERTIFICATE, PRIVATE_KEY } from '../support/certificate.ts';
import { lockstep } from '../support/program.ts';
import { takenPort } from '../support/taken-port.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-refusals-'));
after(() => rmSync(folder, { recursive: true }));

const TRAIN = ['train', '--workers', '1', '--batch', '8', '--iterations', '1', '--evaluate-every', '0'];
const LISTEN = ['--listen', '127.0.0.1:0'];
const PASSPHRASE = { cipher: 'aes-256-cbc', passphrase: 'hush' } as const;

function file(name: string, contents: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, contents, { mode: 0o600 });
  return path;
}

const cert = file('cert.pem', CERTIFICATE);
const key = file('key.pem', PRIVATE_KEY);
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const otherKey = file('other.pem', privateKey.export({ type: 'pkcs8', format: 'pem' }));
const lockedKey = file('locked.pem', privateKey.export({ type: 'pkcs8', format: 'pem', ...PASSPHRASE }));
const lockedRsa = file('locked-rsa.pem', rsa.export({ type: 'pkcs1', format: 'pem', ...PASSPHRASE }));
const binary = file('cert.der', Buffer.from(CERTIFICATE.split('\n').slice(1, -2).join(''), 'base64'));
const empty = file('empty', '');
const short = file('short', 'hush\n');
const damaged = file('step-00000001.safetensors', 'no checkpoint');
mkdirSync(join(folder, 'nothing'));

const tls = (certFile: string, keyFile: string): string[] => [...LISTEN, '--tls-cert', certFile, '--tls-key', keyFile];
const none = join(folder, 'none');
const remote = ['--remote-write', 'http://127.0.0.1:9/'];

/** What is refused, by which words, and what is given instead. */
const REFUSED: readonly (readonly [name: string, wrong: readonly string[], words: RegExp, right: readonly string[]])[] =
  [
    [
      'an address of another machine',
      ['--listen', '203.0.113.1:0', '--token-file', file('t', 'k'.repeat(43)), '--plaintext'],
      /^--listen: 203\.0\.113\.1:0 can't be bound/m,
      LISTEN,
    ],
    ['no address', ['--listen', 'here'], /^--listen: expected HOST:PORT/m, LISTEN],
    [
      "another certificate's key",
      tls(cert, otherKey),
      /^--tls-key: .*other\.pem isn't the key of the certificate in .*cert\.pem\. /m,
      tls(cert, key),
    ],
    [
      'a key with a passphrase',
      tls(cert, lockedKey),
      /^--tls-key: .*locked\.pem is protected by a passphrase/m,
      tls(cert, key),
    ],
    [
      'an RSA key with a passphrase',
      tls(cert, lockedRsa),
      /^--tls-key: .*locked-rsa\.pem is protected by a passphrase/m,
      LISTEN,
    ],
    [
      'a certificate in place of the key',
      tls(cert, cert),
      /^--tls-key: .*cert\.pem holds no private key in PEM/m,
      LISTEN,
    ],
    [
      'a key in place of the certificate',
      tls(key, key),
      /^--tls-cert: .*key\.pem holds no certificate in PEM/m,
      LISTEN,
    ],
    ['a certificate in DER', tls(binary, key), /^--tls-cert: .*cert\.der holds no certificate in PEM/m, LISTEN],
    ['an empty certificate', tls(empty, key), /^--tls-cert: .*empty holds no certificate in PEM/m, LISTEN],
    ['no such certificate', tls(none, key), /^--tls-cert: .*none can't be read/m, LISTEN],
    ['a short token', [...LISTEN, '--token-file', short], /short is too short/m, LISTEN],
    ['no such token', [...LISTEN, '--token-file', none], /token file .*none can't be read/m, LISTEN],
    ['a token that is a folder', [...LISTEN, '--token-file', folder], /token file .* can't be read/m, LISTEN],
    ['no such token of the metrics', ['--metrics-port', '0', '--metrics-token-file', none], /none can't be read/m, []],
    ['no such token of the receiver', [...remote, '--remote-write-token-file', none], /none can't be read/m, []],
    ['no receiver', ['--remote-write', 'prometheus'], /^--remote-write: expected a URL/m, []],
    ['no such initial weights', ['--init', none], /none doesn't exist/m, []],
    ['damaged initial weights', ['--init', damaged], /step-00000001\.safetensors/m, []],
    ['no such data', ['--data', none], /none/m, ['--data', 'synthetic']],
    ['incomplete data', ['--data', join(folder, 'nothing')], /nothing/m, ['--data', 'synthetic']],
    ['a log that can not be written', ['--log-file', join(none, 'log')], /^--log-file: /m, []],
  ];

interface Refused {
  readonly wrong: readonly string[];
  readonly words: RegExp;
  readonly right: readonly string[];
}

function assertRefused(name: string, { wrong, words, right }: Refused): void {
  const out = join(folder, 'runs', name.replaceAll(' ', '-'));
  const common = [...TRAIN, '--data', 'synthetic', '--metrics-port', 'off', '--out', out];
  const { status, stderr } = lockstep([...common, ...wrong]);
  assert.match(stderr, words);
  assert.doesNotMatch(stderr, /error:[0-9A-F]{8}|routines/);
  // An address that this machine lacks may come: its network may not be up yet.
  assert.equal(status, /EADDR|is taken/.test(stderr) ? 75 : 2, stderr);
  assert.ok(!existsSync(out), 'the run directory was made');
  const corrected = lockstep([...common, ...right]);
  assert.equal(corrected.status, 0, corrected.stderr);
}

describe('the corrected command can use the run directory of one that was refused for', () => {
  it('a port that is taken', async (t) => {
    const port = await takenPort(t);
    const listen = ['--listen', `127.0.0.1:${port}`];
    assertRefused('listen', { wrong: listen, words: /^--listen: .*can't be bound/m, right: LISTEN });
    const metrics = ['--metrics-port', String(port)];
    assertRefused('metrics', { wrong: metrics, words: /is taken by another program/, right: ['--metrics-port', '0'] });
  });

  it('memory that can not be had', () => {
    const wrong = ['--workers', '1024', '--batch', '1024', '--shard-size', '1'];
    assertRefused('memory', { wrong, words: /^--workers: expected at most/m, right: [] });
  });

  for (const [name, wrong, words, right] of REFUSED) it(name, () => assertRefused(name, { wrong, words, right }));
});
