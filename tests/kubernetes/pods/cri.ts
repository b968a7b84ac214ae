// A client of the Container Runtime Interface: gRPC over a Unix socket, as far as unary calls need it.
import { readFileSync } from 'node:fs';
import { type ClientHttp2Session, connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import protobuf from 'protobufjs';

const PACKAGE = 'runtime.v1';
const PROTO = new URL('../../../../tests/kubernetes/pods/cri.proto', import.meta.url);
/** Before each message: whether it is compressed, and its length. */
const PREFIX_BYTES = 5;

const { root } = protobuf.parse(readFileSync(PROTO, 'utf8'));
root.resolveAll();

export class CriClient {
  readonly #session: ClientHttp2Session;

  constructor(socket: string) {
    this.#session = connectHttp2('http://localhost', { createConnection: () => connect(socket) });
    // Each call fails by itself.
    this.#session.on('error', () => {});
  }

  /** @param method such as RuntimeService/RunPodSandbox @throws Error with the message of the runtime */
  async call<T = unknown>(method: `${string}/${string}`, request: object): Promise<T> {
    const [service, name] = method.split('/') as [string, string];
    const { resolvedRequestType, resolvedResponseType } =
      root.lookupService(`${PACKAGE}.${service}`).methods[name] ?? {};
    if (!resolvedRequestType || !resolvedResponseType) throw new Error(`cri.proto has no ${method}`);
    const message = resolvedRequestType.encode(resolvedRequestType.fromObject(request)).finish();
    const answer = await this.#exchange(`/${PACKAGE}.${method}`, message);
    const options = { longs: Number, enums: String, bytes: String, defaults: true };
    return resolvedResponseType.toObject(resolvedResponseType.decode(answer), options) as T;
  }

  close(): void {
    this.#session.destroy();
  }

  async #exchange(path: string, message: Uint8Array): Promise<Buffer> {
    const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
    const stream = this.#session.request(headers);
    let end: IncomingHttpHeaders = {};
    const keep = (more: IncomingHttpHeaders): void => {
      end = { ...end, ...more };
    };
    // An error comes in the headers.
    stream.on('response', keep).on('trailers', keep);
    const prefix = Buffer.alloc(PREFIX_BYTES);
    prefix.writeUInt32BE(message.length, 1);
    stream.end(Buffer.concat([prefix, message]));
    const answer = await buffer(stream);
    if (end['grpc-status'] !== '0') {
      throw new Error(`${path}: ${decodeURIComponent(String(end['grpc-message'] ?? 'the connection ended'))}`);
    }
    return answer.subarray(PREFIX_BYTES);
  }
}
