// What containerd is told for pods: its configuration, their network, and the image of the process that holds a pod's namespaces.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tarOf } from '../support/tar.ts';

const PAUSE_IMAGE = 'localhost/pause:1';

export interface RuntimeOptions {
  /** Existing: for all that containerd keeps. */
  readonly folder: string;
  readonly bridge: string;
  readonly subnet: string;
  /** For the addresses that are taken, of all that share the bridge. */
  readonly addresses: string;
}

export interface Runtime {
  /** The file for --config. */
  readonly config: string;
  readonly socket: string;
  /** A docker archive, to be imported. */
  readonly pause: string;
}

export function prepareRuntime({ folder, bridge, subnet, addresses }: RuntimeOptions): Runtime {
  const at = (name: string): string => join(folder, name);
  const socket = at('containerd.sock');
  const ipam = { type: 'host-local', dataDir: addresses, ranges: [[{ subnet }]] };
  const plugins = [{ type: 'bridge', bridge, isGateway: true, ipam }];
  mkdirSync(at('cni'));
  writeFileSync(at('cni/pods.conflist'), JSON.stringify({ cniVersion: '1.0.0', name: 'pods', plugins }));
  writeFileSync(
    at('config.toml'),
    `version = 2
root = "${at('root')}"
state = "${at('state')}"
[grpc]
  address = "${socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${at('opt')}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  # For machines on which even root may not lower it.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${at('cni')}"
`,
  );
  writeFileSync(at('pause.tar'), pauseImage());
  return { config: at('config.toml'), socket, pause: at('pause.tar') };
}

/** Of this machine's `sleep` and its libraries. */
function pauseImage(): Buffer {
  const { stdout } = spawnSync('ldd', ['/bin/sleep'], { encoding: 'utf8' });
  const files = ['/bin/sleep', ...(stdout.match(/\/\S+/g) ?? [])].map((path) => path.slice(1));
  const layer = spawnSync('tar', ['-C', '/', '-ch', ...files], { maxBuffer: 2 ** 26 }).stdout;
  const config = {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { Entrypoint: ['/bin/sleep', 'infinity'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(layer).digest('hex')}`] },
  };
  const manifest = [{ Config: 'config.json', RepoTags: [PAUSE_IMAGE], Layers: ['layer.tar'] }];
  return tarOf({
    'manifest.json': Buffer.from(JSON.stringify(manifest)),
    'config.json': Buffer.from(JSON.stringify(config)),
    'layer.tar': layer,
  });
}
