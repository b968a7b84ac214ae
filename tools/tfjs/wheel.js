// libtensorflow from TensorFlow's Python wheel, whose digest is pinned here.
import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { run } from './run.js';

const VERSION = '2.15.1';
const WHEELS = {
  x64: {
    package: 'tensorflow-cpu',
    platform: 'manylinux2014_x86_64',
    sha256: '54660c074d7241a503e81edfd9f5ef5af88f64051b72e2945f26318c790f2d26',
  },
  // For this processor the libraries come under another package's name.
  arm64: {
    package: 'tensorflow-cpu-aws',
    platform: 'manylinux2014_aarch64',
    sha256: 'd4c3a3a9363bf42999adedbbd514e3a133be2d62f61fee9cfa46aaefb087c09e',
  },
};

const LIBRARIES = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];
/** The version in a name is the marker that the package's installer looks for, whatever the library's own is. */
const LINKS = {
  'libtensorflow.so': 'libtensorflow_cc.so.2',
  'libtensorflow_framework.so': 'libtensorflow_framework.so.2',
  'libtensorflow.so.2.9.1': 'libtensorflow_cc.so.2',
};

const UNPACK = `
import sys, zipfile
wheel, target = sys.argv[1:]
include = 'tensorflow/include/'
folders = ('tensorflow/c/', 'tensorflow/core/platform/ctstring', 'tsl/c/', 'tsl/platform/')
wanted = tuple(include + folder for folder in folders)
files = tuple('tensorflow/' + name for name in (${LIBRARIES.map((name) => `'${name}'`).join(', ')}, 'THIRD_PARTY_NOTICES.txt'))
with zipfile.ZipFile(wheel) as archive:
    members = [name for name in archive.namelist() if name.startswith(wanted) or name in files]
    archive.extractall(target, members)
`;

/** Undefined where there is no wheel for this machine. */
export function wheelOf(platform = process.platform, arch = process.arch) {
  return platform === 'linux' ? WHEELS[arch] : undefined;
}

/**
 * Fetches the wheel and lays out `deps` as the package's installer would have.
 * @param scratch an empty folder on the file system of `deps`; what is left in it is of no use
 * @param deps must not exist; it appears whole or not at all
 */
export async function placeLibraries({ wheel, scratch, deps, say }) {
  say(`fetching ${wheel.package} ${VERSION} for ${wheel.platform}, about 210 MB`);
  const download = join(scratch, 'download');
  await run('python3', [
    ...['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '--python-version', '311'],
    ...['--disable-pip-version-check', '--platform', wheel.platform],
    ...['--dest', download, `${wheel.package}==${VERSION}`],
  ]);
  const file = join(download, readdirSync(download)[0]);
  await check(file, wheel.sha256);

  say('unpacking its libraries and headers, about 650 MB');
  const unpacked = join(scratch, 'unpacked');
  await run('python3', ['-c', UNPACK, file, unpacked]);
  rmSync(download, { recursive: true });
  const from = join(unpacked, 'tensorflow');
  const staged = join(scratch, 'deps');
  mkdirSync(join(staged, 'lib'), { recursive: true });
  for (const name of LIBRARIES) renameSync(join(from, name), join(staged, 'lib', name));
  for (const [name, target] of Object.entries(LINKS)) symlinkSync(target, join(staged, 'lib', name));
  renameSync(join(from, 'include'), join(staged, 'include'));
  renameSync(join(from, 'THIRD_PARTY_NOTICES.txt'), join(staged, 'THIRD_PARTY_NOTICES.txt'));
  renameSync(staged, deps);
}

async function check(file, expected) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  const found = hash.digest('hex');
  if (found === expected) return;
  throw new Error(`The wheel has the SHA-256 ${found}, expected ${expected}. It was altered on the way: try again.`);
}
