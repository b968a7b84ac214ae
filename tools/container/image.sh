#!/usr/bin/env bash
# Builds docker/Dockerfile without a container engine and trains in it: tools/container/image.sh [TARGET]    (default: runtime)
# Root on x86-64 Linux, with Debian's buildah and debootstrap. MNIST_DIR names the folder of the MNIST files (default: synthetic digits).
# IMAGE_ARCHIVE names the file to which the image is saved, if it passes, as a docker archive: it is what tests/kubernetes runs.
# All that it makes lies in one temporary folder, some GB for a while; in memory where 10 GB of it are free, which takes a third of the time.
set -euo pipefail

cd "$(dirname "$0")/../.."
target=${1:-runtime}
work=$(mktemp -d)
end() {
  ! mountpoint -q "$work" || umount -l "$work"
  rm -rf "$work"
}
trap end EXIT
if [ "$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)" -gt 10000000 ]; then mount -t tmpfs -o size=7g tmpfs "$work" || true; fi

printf '[storage]\ndriver = "vfs"\ngraphroot = "%s"\nrunroot = "%s"\n' "$work/store" "$work/run" >"$work/storage.conf"
export CONTAINERS_STORAGE_CONF=$work/storage.conf
export BUILDAH_ISOLATION=chroot

say() { printf -- '-- %s (%d s)\n' "$1" "$SECONDS"; }

say 'a base of the name that the Dockerfile asks for'
base=$(sed -n 's/^ARG NODE=//p' docker/Dockerfile)
tools/container/base.sh "$base" "$work/base"
rm -rf "$work/base"

say "build, target $target"
# The registry that this machine's npm uses, as a secret: it is in no layer.
printf 'registry=%s\n' "$(npm config get registry)" >"$work/npmrc"
buildah bud --format docker --pull-never --secret "id=npmrc,src=$work/npmrc" --target "$target" \
  -f docker/Dockerfile -t lockstep . >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; exit 1; }

say 'what the image says'
container=$(buildah from --pull-never localhost/lockstep)
config() { buildah inspect --type image --format "{{.Docker.Config.$1}}" lockstep; }
expect() { [ "$(config "$1")" = "$2" ] || { echo "$1: expected $2, got $(config "$1")" >&2; exit 1; }; }
expect User 10001:10001
expect StopSignal SIGTERM
expect Healthcheck.Test '[CMD node /opt/lockstep/docker/health.js]'
config Entrypoint

say 'train in it, by its own entry point'
data=(--data synthetic)
mounts=()
if [ -n "${MNIST_DIR:-}" ]; then
  data=(--data /mnist)
  mounts=(-v "$(realpath "$MNIST_DIR"):/mnist:ro")
fi
flags=(train --iterations 20 --workers 2 --metrics-port off --json "${data[@]}")
[ "$target" = tensorflow ] && flags+=(--backend tfjs)
# buildah run leaves the entry point out.
mapfile -t entrypoint < <(buildah inspect --type image --format '{{range .Docker.Config.Entrypoint}}{{println .}}{{end}}' lockstep | grep .)
buildah run "${mounts[@]}" "$container" -- "${entrypoint[@]}" "${flags[@]}" >"$work/result.json"
grep -o '"weightsSha256":"[0-9a-f]*"' "$work/result.json" | tee "$work/inside"

if [ "$target" = runtime ] && [ -e dist/cli/main.js ]; then
  [ -z "${MNIST_DIR:-}" ] || flags=("${flags[@]/#\/mnist/$MNIST_DIR}")
  node dist/cli/main.js "${flags[@]}" --out "$work/outside" 2>/dev/null | grep -o '"weightsSha256":"[0-9a-f]*"' | cmp - "$work/inside"
fi

say 'a picture is read in it'
picture=tests/fixtures/pictures/plain-7.png
buildah run -v "$PWD/$picture:/seven.png:ro" "$container" -- "${entrypoint[@]}" predict /seven.png

say 'a project is written in it'
buildah run "$container" -- "${entrypoint[@]}" init /tmp/project

say 'the native kernel and the pages are in it'
test -e "$(buildah mount "$container")/opt/lockstep/dist/native/lockstep.node"
for page in page/page draw/inspect/draw/page; do
  for file in "${page%%/*}/index.html" "$page/main.js"; do test -e "$(buildah mount "$container")/opt/lockstep/dist/$file"; done
done

say 'as compose.yaml runs it: read-only, process 1, no capability, no new privileges'
tools/container/hardened.sh "$(buildah mount "$container")" "${entrypoint[@]}"
if [ -n "${IMAGE_ARCHIVE:-}" ]; then
  say "save it to $IMAGE_ARCHIVE"
  rm -f "$IMAGE_ARCHIVE"
  buildah push --quiet lockstep "docker-archive:$IMAGE_ARCHIVE:lockstep:$(node -p "require('./package.json').version")"
fi
say 'done'
