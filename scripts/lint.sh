#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What can be said about the sources without running them: format, the dependency rule, shell scripts, and, when
# asked, clang-tidy. A tool that is not installed is named and left out.
#
#   scripts/lint.sh                    the fast part: clang-format, check-includes.py, shellcheck, the page
#   scripts/lint.sh --tidy [FILE...]   and clang-tidy over FILEs; without, over the .cc files that differ from the
#                                      branch main (needs build/release/compile_commands.json)
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"

tidy=no
if [ $# -gt 0 ]; then
  [ "$1" = --tidy ] || die "unknown option '$1' (known: --tidy [FILE...])"
  tidy=yes
  shift
fi

status=0
# have TOOL: says so when it is not there.
have() {
  command -v "$1" >/dev/null && return 0
  say "$1 is not installed; left out"
  return 1
}

if have clang-format; then
  git ls-files -z '*.cc' '*.h' | xargs -0 clang-format --dry-run -Werror || status=1
fi
python3 scripts/check-includes.py || status=1
if have shellcheck; then
  git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck --external-sources || status=1
fi
# scripts/build-web.sh fetches it.
if [ -x clients/web/node_modules/.bin/biome ]; then
  (cd clients/web && node_modules/.bin/biome check --log-level=error) >&2 || status=1
else
  say "clients/web/node_modules is not there; its check is left out"
fi

if [ $tidy = yes ] && have clang-tidy; then
  [ -f "$build/compile_commands.json" ] || die "there is no $build/compile_commands.json; run cmake --preset release"
  if [ $# -eq 0 ]; then
    # shellcheck disable=SC2046 # paths in this repository have no spaces
    set -- $(git diff --name-only --diff-filter=d main -- '*.cc')
  fi
  for file in "$@"; do
    clang-tidy -p "$build" --quiet "$file" || status=1
  done
fi
exit $status
