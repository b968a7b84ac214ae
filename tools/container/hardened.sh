#!/usr/bin/env bash
# Runs `train` in a root file system as compose.yaml's engine would, and stops it: tools/container/hardened.sh ROOT ENTRYPOINT…
# Its own mounts, network and process ids; the root file system read-only but for runs, cache and /tmp; the image's user; no capability.
# Succeeds if it is process 1, handles SIGTERM and exits with 143 after a checkpoint that can be resumed.
set -euo pipefail

root=$1
shift
work=$(mktemp -d)
unshare=
# The child of `unshare`. A process that has changed its user isn't ended by --kill-child.
inside() { cat "/proc/$unshare/task/$unshare/children"; }
end() {
  [ -z "$unshare" ] || kill -KILL $(inside) 2>/dev/null || true
  rm -rf "$work"
}
trap end EXIT
mkdir "$work/runs"
chown 10001:10001 "$work/runs"

cat >"$work/contain" <<'CONTAIN'
set -eu
root=$1 runs=$2
shift 2
ip link set lo up
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --bind "$runs" "$root/work/runs"
mount -t tmpfs -o size=64m tmpfs "$root/cache"
mount -t tmpfs -o size=64m tmpfs "$root/tmp"
mount --bind /dev "$root/dev"
mount -o remount,bind,ro "$root"
cd "$root"
exec chroot . setpriv --reuid=10001 --regid=10001 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \
  env -i PATH=/usr/local/bin:/usr/bin:/bin XDG_CACHE_HOME=/cache NODE_ENV=production HOME=/work sh -c 'cd /work; exec "$@"' sh "$@"
CONTAIN

contained=(unshare --mount --pid --net --fork sh "$work/contain" "$root" "$work/runs")

if "${contained[@]}" touch /work/written 2>/dev/null; then echo 'The root file system can be written.' >&2; exit 1; fi

"${contained[@]}" "$@" train --data synthetic --iterations 100000 --workers 2 --out runs/stopped 2>"$work/said" &
unshare=$!
until grep -q '"step":3,' "$work/runs/stopped/steps.jsonl" 2>/dev/null; do
  kill -0 "$unshare" || { cat "$work/said" >&2; exit 1; }
  sleep 0.2
done
node=$(inside | tr -d ' ')
grep -E '^(NSpid|Uid|CapEff|CapBnd|NoNewPrivs):' "/proc/$node/status"
nsenter --target "$node" --mount --pid --net --root --wd=/ node /opt/lockstep/docker/health.js
kill -TERM "$node"
code=0
wait "$unshare" || code=$?
unshare=
cat "$work/said"
[ "$code" = 143 ] || { echo "SIGTERM: exit code $code, expected 143" >&2; exit 1; }
ls "$work/runs/stopped/checkpoints" | grep '\.safetensors$'
