#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The image without a container engine: looks at docker/, makes the image's file system as docker/Dockerfile says from this
# machine's own package, starts it as docker/compose.yaml does, and uses it from outside.
#
#   tests/container/run.sh [--package FILE]
#
# --package: an inferd package of this machine's architecture that is there already; without, scripts/package.sh makes one.
# Needs root. The first run sets up a Debian, which takes some minutes; then it is kept.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=scripts/lib.sh
. "$root/scripts/lib.sh"
package=
if [ $# -gt 0 ]; then
  if [ "$1" != --package ] || [ $# -ne 2 ]; then die "usage: $0 [--package FILE]"; fi
  package=$2
fi
[ "$(id -u)" -eq 0 ] || die "this makes and mounts file systems, for which it must be root"
"$here/lint.sh"
if [ -z "$package" ]; then
  "$root/scripts/package.sh"
  version=$(sed -n 's/^project(inferd VERSION \([0-9.]*\).*/\1/p' "$root/CMakeLists.txt")
  package=$root/build/packages/inferd_${version}_$(dpkg --print-architecture).deb
fi
base=$("$here/base.sh")
say "making the image's file system"
/usr/bin/python3 -B "$here/assemble.py" --base "$base" --package "$package" "$cache/container/root"
say "running it"
/usr/bin/python3 -B "$here/container_test.py" --package "$package" --models "$root/../shared/models" --base "$base" \
  "$cache/container/root"
