#!/bin/sh
# sh docker/secrets.sh: makes the secrets that compose.yaml names, each new and random, where they aren't there yet.
set -eu

folder=$(dirname "$0")/secrets
# Compose hands a file to its container with the owner and mode that it has here, and each image has its own user: the files are
# for everybody to read, the folder for its owner alone to enter.
mkdir -p -m 700 "$folder"

for name in node_token metrics_token grafana_password; do
  [ -s "$folder/$name" ] && continue
  # 256 bits in base64url, as `lockstep token` makes them.
  head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' >"$folder/$name.new"
  chmod 444 "$folder/$name.new"
  mv "$folder/$name.new" "$folder/$name"
  echo "made $folder/$name"
done
