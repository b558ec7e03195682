#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds the engine and its tests for arm64 with Debian's cross compiler and runs them under qemu-user: as a
# Cortex-A53 (Raspberry Pi 3) and a Cortex-A72 (Pi 4), which have neither dot product instructions nor arithmetic in
# half precision, a Cortex-A76 (Pi 5), which has both, and as qemu's "max", which has all. Speed under qemu means
# nothing.
#
#   scripts/test-arm64.sh [GTEST_FILTER]
#
# Needs the packages g++-aarch64-linux-gnu, qemu-user-static and googletest.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
for tool in aarch64-linux-gnu-g++ qemu-aarch64-static; do
  if ! command -v "$tool" >/dev/null; then
    echo "test-arm64: $tool is missing; install g++-aarch64-linux-gnu and qemu-user-static" >&2
    exit 1
  fi
done

cmake --preset arm64-engine >/dev/null
cmake --build --preset arm64-engine

programs=$(find build/arm64-engine/tests -type f -perm -u+x -name '*-test' | sort)
if [ -z "$programs" ]; then
  echo "test-arm64: no test programs in build/arm64-engine/tests" >&2
  exit 1
fi
for cpu in cortex-a53 cortex-a72 cortex-a76 max; do
  for program in $programs; do
    echo "== $cpu: $(basename "$program")"
    qemu-aarch64-static -cpu "$cpu" -L /usr/aarch64-linux-gnu "$program" --gtest_brief=1 \
      --gtest_filter="${1:-*}"
  done
done
