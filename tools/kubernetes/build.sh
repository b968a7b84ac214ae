#!/usr/bin/env bash
# Builds what a real Kubernetes cluster of this machine needs, from Go modules alone: tools/kubernetes/build.sh FOLDER
# FOLDER/kubernetes (control plane, kubelet, kubectl) and FOLDER/coredns. The first time takes about 13 minutes of processor time,
# and 5.5 GB for Go's caches; what is there stays.
set -euo pipefail

KUBERNETES=1.37.2
COREDNS=1.14.7

[ $# = 1 ] || { echo 'usage: tools/kubernetes/build.sh FOLDER' >&2; exit 2; }
[ -x "$(command -v go)" ] || { echo 'go: expected Go 1.26 or later in the PATH (https://go.dev/dl)' >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
source=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() {
  (cd "$work/$1" && CGO_ENABLED=0 go build -mod=mod -trimpath -ldflags="-s -w ${2:-}" -o "$folder/$1.new" .)
  mv "$folder/$1.new" "$folder/$1"
}

module() { go mod download -json "$1" | sed -n "s/^\t\"$2\": \"\(.*\)\",\$/\1/p"; }

if [ ! -x "$folder/kubernetes" ]; then
  cp -r "$source/kubernetes" "$work/kubernetes"
  go_mod=$(module "k8s.io/kubernetes@v$KUBERNETES" GoMod)
  {
    printf 'module kubernetes\n\n'
    grep -E '^(go|godebug) ' "$go_mod"
    printf '\nrequire k8s.io/kubernetes v%s\n\nreplace (\n' "$KUBERNETES"
    # The parts that live in its own repository, under versions of their own.
    sed -nE "s#^\t(k8s\.io/[a-z0-9.-]+) (v0\.0\.0|v0\.0\.0 .*|=> \./staging/.*)\$#\t\1 => \1 v0.${KUBERNETES#1.}#p" "$go_mod" | sort -u
    printf ')\n'
  } >"$work/kubernetes/go.mod"
  build kubernetes "-X k8s.io/component-base/version.gitVersion=v$KUBERNETES"
fi

if [ ! -x "$folder/coredns" ]; then
  cp -r "$source/coredns" "$work/coredns"
  printf 'module coredns\n\nrequire github.com/coredns/coredns v%s\n' "$COREDNS" >"$work/coredns/go.mod"
  build coredns
fi
