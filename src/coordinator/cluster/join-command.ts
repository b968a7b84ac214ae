import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { TrainConfig } from '../../shared/config/config.ts';
import { commandLine, withOptions } from '../../shared/util/command-line.ts';
import { hostOf, isLoopback } from '../../shared/util/loopback.ts';
import { reachable } from '../../shared/util/reachable.ts';
import { shownPath, typedPath } from '../../shared/util/shown-path.ts';
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
  const ca = certificate !== undefined && signsItself(certificate) ? tlsCert : undefined;
  const words = ['worker'];
  if (tokenFile !== undefined) words.push(`--token-file ${typedPath(tokenFile)}`);
  if (ca !== undefined) words.push(`--tls-ca ${typedPath(ca)}`);
  const address = reachable(url);
  const connect = certificate === undefined ? address : named(address, certificate);
  return commandLine(withOptions(words.join(' '), { '--connect': connect }), env);
}

/** What nodes need besides the command, as a sentence; undefined if it suffices as it is. */
export function nodesNeed(
  url: string,
  listening: Pick<Listening, 'token' | 'tls'> | undefined,
  { tokenFile, tlsCert }: Pick<TrainConfig, 'tokenFile' | 'tlsCert'>,
): string | undefined {
  const { token, tls } = listening ?? {};
  const needs: string[] = [];
  const isOwnAuthority = tls !== undefined && signsItself(new X509Certificate(tls.cert));
  const files = [tokenFile, isOwnAuthority ? tlsCert : undefined].filter((file) => file !== undefined);
  if (files.length > 0 && !isLoopback(new URL(url).hostname)) {
    needs.push(`a copy of ${files.map((file) => shownPath(file)).join(' and ')}`);
  }
  if (token !== undefined && tokenFile === undefined) needs.push('the token of this run in LOCKSTEP_TOKEN');
  if (tls !== undefined && !isOwnAuthority) {
    needs.push("--tls-ca FILE with the certificate of this one's authority, unless their system trusts it");
  }
  return needs.length === 0 ? undefined : `Each node needs ${needs.join('; ')}.`;
}

/** A certificate that signed itself is its own authority. */
function signsItself(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate);
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
