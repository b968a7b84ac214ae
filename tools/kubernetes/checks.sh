#!/usr/bin/env bash
# What the manifests of deploy/kubernetes are checked with:
#   tools/kubernetes/checks.sh FOLDER && KUBERNETES_CHECKS=FOLDER npm test -- manifests
# FOLDER gets kubeconform, and schemas of Kubernetes' objects, the Prometheus Operator's and cert-manager's.
# It needs Go, kubectl, npm's packages, and about 30 s of processor time where Go has built nothing of it yet.
set -euo pipefail

KUBECONFORM=v0.8.0
KUBERNETES=v1.37.2
PROMETHEUS_OPERATOR=v0.85.0
CERT_MANAGER=v1.19.1
# What kubeconform's go.mod asks for.
GO_MINOR=26

[ $# = 1 ] || { echo "Usage: $0 FOLDER" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
# Outside of any Go module.
tools=$(cd "$(dirname "$0")" && pwd)
cd "$folder"

found=$(go env GOVERSION 2>/dev/null) || found='no go in PATH'
if [[ ! $found =~ ^go1\.([0-9]+) ]] || [ "${BASH_REMATCH[1]}" -lt "$GO_MINOR" ]; then
  echo "Expected Go 1.$GO_MINOR or later, but found: $found. Debian's may be older; the one of https://go.dev/dl does." >&2
  exit 1
fi
[ -x "$(command -v kubectl)" ] || { echo 'Expected kubectl in PATH, whose kustomize renders the manifests.' >&2; exit 1; }

# A module's folder in Go's cache.
module() { go mod download -json "$1" | node -p 'JSON.parse(fs.readFileSync(0)).Dir'; }

GOBIN=$folder go install "github.com/yannh/kubeconform/cmd/kubeconform@$KUBECONFORM"
kubernetes=$(module "k8s.io/kubernetes@$KUBERNETES")
operator=$(module "github.com/prometheus-operator/prometheus-operator@$PROMETHEUS_OPERATOR")
certificates=$(module "github.com/cert-manager/cert-manager@$CERT_MANAGER")
node "$tools/schemas.js" "$folder/schemas" "$kubernetes/api/openapi-spec/swagger.json" \
  "$operator"/example/prometheus-operator-crd/monitoring.coreos.com_{podmonitors,prometheusrules}.yaml \
  "$certificates"/deploy/crds/cert-manager.io_{certificates,issuers}.yaml
