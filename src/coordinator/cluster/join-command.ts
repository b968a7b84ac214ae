import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { TrainConfig } from '../../shared/config/config.ts';
import { commandLine, withOptions } from '../../shared/util/command-line.ts';
import { hostOf } from '../../shared/util/loopback.ts';
import { reachable } from '../../shared/util/reachable.ts';
import { typedPath } from '../../shared/util/shown-path.ts';
import type { Listening } from './listening.ts';

/**
 * The command by which a node joins a run.
 * @param url where the coordinator listens
 * @param tls its certificate and key, if it has them
 */
export function joinCommand(
  url: string,
  tls: Listening['tls'],
  { tokenFile, tlsCert }: Pick<TrainConfig, 'tokenFile' | 'tlsCert'>,
  env: NodeJS.ProcessEnv,
): string {
  const certificate = tls && new X509Certificate(tls.cert);
  // A certificate that signed itself is its own authority.
  const ca = certificate?.checkIssued(certificate) ? tlsCert : undefined;
  const words = ['worker'];
  if (tokenFile !== undefined) words.push(`--token-file ${typedPath(tokenFile)}`);
  if (ca !== undefined) words.push(`--tls-ca ${typedPath(ca)}`);
  const address = reachable(url);
  const connect = certificate === undefined ? address : named(address, certificate);
  return commandLine(withOptions(words.join(' '), { '--connect': connect }), env);
}

/** The URL by a name that is in the certificate, since nodes check that. */
function named(url: string, certificate: X509Certificate): string {
  const { hostname } = new URL(url);
  const host = hostOf(hostname);
  if ((isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host)) !== undefined) return url;
  const names = (certificate.subjectAltName ?? '')
    .split(', ')
    .map((entry) => /^(DNS|IP Address):(.+)$/.exec(entry) ?? []);
  const [, kind, name] = names.find(([, , each]) => each !== undefined && !each.includes('*')) ?? [];
  if (name === undefined) return url;
  return url.replace(hostname, kind === 'DNS' || isIP(name) === 4 ? name : `[${name}]`);
}
