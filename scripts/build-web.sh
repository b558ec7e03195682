#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Checks and builds the dashboard's page where a build takes it from (build/release/web), at the versions of its
# package-lock.json. Exits with 77 where npm cannot fetch them.
#
#   scripts/build-web.sh [--tests]     also fetches what its tests in a browser need (tests/web)
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# fetch FOLDER: does nothing where what the lock names is there already. The lock names what Linux needs of packages that have
# programs for each system, which `npm ci` takes for a mistake.
fetch() {
  cmp -s "$1/package-lock.json" "$1/node_modules/.complete-lock.json" && return 0
  (cd "$1" && npm install --no-save --no-audit --no-fund --loglevel=error) >&2 || return 77
  cp "$1/package-lock.json" "$1/node_modules/.complete-lock.json"
}

command -v npm >/dev/null || exit 77
fetch "$root/clients/web" || exit 77
if [ "${1:-}" = --tests ]; then
  fetch "$root/tests/web" || exit 77
fi
cd "$root/clients/web"
npm run --silent check
npm run --silent build -- --outDir "$build/web" --emptyOutDir
