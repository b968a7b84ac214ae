import { BlockList, isIP } from 'node:net';
import type { Dispatcher } from 'undici';
import { hostOf, isLoopback } from './loopback.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/** What a request here consists of. */
export interface FetchOptions {
  readonly method?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly redirect?: 'follow' | 'manual';
  readonly signal: AbortSignal;
}

/** Dispatchers by the variables that they follow; each keeps its connections. */
const dispatchers = new Map<string, Dispatcher>();

/**
 * fetch, by way of the proxy that `proxyFor` names for each host, those of redirects included.
 * @throws what fetch throws; Error if a variable names no proxy
 */
export async function proxiedFetch(url: string, init: FetchOptions, env: Environment): Promise<Response> {
  const variables = ['http_proxy', 'https_proxy', 'no_proxy'].map((name) => variable(name, env));
  if (variables[0] === undefined && variables[1] === undefined) return fetch(url, init);
  // Loaded if it is needed: a fetch takes only dispatchers of its own release of undici, which differs between versions of Node.js.
  const undici = await import('undici');
  const key = JSON.stringify(variables);
  const known = dispatchers.get(key);
  const dispatcher =
    known ??
    new undici.Agent({
      factory: (origin, options) => {
        const proxy = proxyFor(String(origin), env);
        // What isn't encrypted is asked of the proxy itself: many proxies open tunnels to port 443 alone.
        return proxy === undefined
          ? new undici.Pool(origin, options)
          : new undici.ProxyAgent({ uri: proxy.href, proxyTunnel: false });
      },
    });
  dispatchers.set(key, dispatcher);
  // The types of the two are the same but for their names.
  return undici.fetch(url, { ...init, dispatcher }) as Promise<unknown> as Promise<Response>;
}

/**
 * The proxy for a URL: that of HTTPS_PROXY or HTTP_PROXY, by the URL's protocol, unless NO_PROXY lists the host; each variable in small
 * letters too. As in Go's programs, NO_PROXY lists hosts with all that is below them, addresses and networks, maybe with a port, or
 * is `*`, and this machine itself is never reached through a proxy.
 * @throws Error if the variable names no proxy
 */
export function proxyFor(url: string, env: Environment): URL | undefined {
  const { protocol, hostname, port } = new URL(url);
  const name = protocol === 'https:' ? 'https_proxy' : 'http_proxy';
  const text = variable(name, env);
  if (text === undefined || isLoopback(hostname)) return undefined;
  const target = { host: hostOf(hostname).toLowerCase(), port: port || PORTS[protocol] };
  const exceptions = (variable('no_proxy', env) ?? '').split(/[\s,]+/).filter((entry) => entry !== '');
  if (exceptions.some((entry) => covers(entry.toLowerCase(), target))) return undefined;
  const address = text.includes('://') ? text : `http://${text}`;
  const proxy = URL.canParse(address) ? new URL(address) : undefined;
  if (proxy?.protocol === 'http:' || proxy?.protocol === 'https:') return proxy;
  throw new Error(
    `${name.toUpperCase()} (environment variable): expected a proxy, such as http://HOST:PORT, but got another text`,
  );
}

/** What messages about a URL add: the proxy through which it is asked for, without its password. */
export function byProxy(url: string, env: Environment): string {
  const proxy = proxyFor(url, env);
  return proxy === undefined ? '' : `, by the proxy ${proxy.origin}`;
}

/** Whether an entry of NO_PROXY is about a host. */
function covers(entry: string, { host, port }: { readonly host: string; readonly port: string | undefined }): boolean {
  if (entry === '*') return true;
  const [, bracketed, plain, ownPort] = /^(?:\[([^\]]+)\]|([^:]+|.*:.*:.*?))(?::(\d+))?$/.exec(entry) ?? [];
  const name = bracketed ?? plain;
  if (name === undefined || (ownPort !== undefined && ownPort !== port)) return false;
  const [network = '', bits] = name.split('/');
  if (bits !== undefined) return isWithin(host, network, Number(bits));
  const domain = name.replace(/^\*?\./, '');
  return host === domain || host.endsWith(`.${domain}`);
}

function isWithin(host: string, network: string, bits: number): boolean {
  const family = isIP(network);
  if (family === 0 || isIP(host) !== family || !(bits >= 0 && bits <= (family === 4 ? 32 : 128))) return false;
  const list = new BlockList();
  list.addSubnet(network, bits, family === 4 ? 'ipv4' : 'ipv6');
  return list.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

/** The value of a variable, which is set if it isn't empty; in small letters first, as curl has it. */
function variable(name: string, env: Environment): string | undefined {
  return env[name] || env[name.toUpperCase()] || undefined;
}
