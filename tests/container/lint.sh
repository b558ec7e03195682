#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What can be said of docker/ without a container engine: the Dockerfile by dockerfile-utils, Compose's files by dclint with
# Compose's schema, the manifest by Kubernetes' types, and whether they agree. These tools come from npm, at the versions and
# checksums of lint/package-lock.json. Ends with 77 when they are not there and cannot be fetched.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=scripts/lib.sh
. "$root/scripts/lib.sh"
tools=$cache/container/lint
if ! cmp -s "$here/lint/package-lock.json" "$tools/complete-lock.json"; then
  if ! command -v npm >/dev/null; then
    echo "container/lint: npm is not installed (Debian's package npm)" >&2
    exit 77
  fi
  mkdir -p "$tools"
  rm -f "$tools/complete-lock.json"
  cp "$here/lint/package.json" "$here/lint/package-lock.json" "$tools/"
  npm ci --prefix "$tools" --ignore-scripts --no-audit --no-fund --loglevel=error >&2 || exit 77
  cp "$here/lint/package-lock.json" "$tools/complete-lock.json"
fi
cp "$here/lint/check.mjs" "$tools/"
cd "$tools"
status=0
# It says what it finds and ends with 0 all the same.
said=$(node_modules/.bin/dockerfile-utils lint "$root/docker/Dockerfile" 2>&1) || status=1
if [ -n "$said" ]; then
  echo "$said" >&2
  status=1
fi
node_modules/.bin/dclint --config "$here/lint/dclint.json" --max-warnings 0 \
  "$root/docker/compose.yaml" "$root/docker/compose.camera.yaml" >&2 || status=1
node check.mjs "$root" || status=1
[ $status -eq 0 ] && echo "docker/: ok"
exit $status
