#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# inferd on a board: builds the arm64 package, boots an emulated arm64 Debian, installs and uses the package there as its
# user would, and prints what was checked and how long it took.
#
#   tests/board/run.sh [--short] [--keep]
#
# --short: boot, install, serve, swap, stop. --keep: leave the board running and say how to log in.
# The first run makes the board's disk, which takes minutes; then it is kept. Needs root once, for that.
set -eu
cd "$(dirname "$0")/../.."
scripts/package.sh arm64
cmake --preset release >/dev/null
cmake --build --preset release --target inferctl
image=$(tests/board/image.sh)
version=$(sed -n 's/^project(inferd VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
exec /usr/bin/python3 -B tests/board/board_test.py --image "$image" --package "build/packages/inferd_${version}_arm64.deb" \
  --inferctl build/release/clients/inferctl --models ../shared/models "$@"
