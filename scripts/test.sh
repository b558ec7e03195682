#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Installs what is needed, builds, and runs every test. Can be run from anywhere, again and again.
#
#   scripts/test.sh [--no-arm64] [--no-fuzz] [--no-devices] [--armhf]
#
# Without the cross-compiled kernel tests under qemu; without the short run of each fuzzer; without simulated cameras, CAN
# and GPIO lines; and with the engine's tests for 32-bit ARM, which take many minutes more.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

arm64=yes
fuzz=yes
devices=yes
armhf=no
for option in "$@"; do
  case $option in
    --no-arm64) arm64=no ;;
    --no-fuzz) fuzz=no ;;
    --no-devices) devices=no ;;
    --armhf) armhf=yes ;;
    *) die "unknown option '$option' (known: --no-arm64, --no-fuzz, --no-devices, --armhf)" ;;
  esac
done

# shellcheck disable=SC2046 # lists of words
install_packages $(packages_in packages-build.txt packages-test.txt)
# npm brings the reference runtimes; Debian's package is not wanted where another one is there.
command -v npm >/dev/null || install_packages npm

say "checking format, includes and scripts"
"$root/scripts/lint.sh"

say "fetching reference runtimes and models for comparison"
"$root/scripts/fetch-test-data.sh" >/dev/null || say "not reachable: comparisons that need them will be skipped"

# where_reachable WHAT COMMAND...: ends where the command fails, but goes on where what it fetches cannot be had (77).
where_reachable() {
  what=$1
  shift
  status=0
  "$@" || status=$?
  case $status in
    0) ;;
    77) say "not reachable: $what" ;;
    *) exit "$status" ;;
  esac
}

say "building the dashboard's page"
# Before the build, which embeds it.
where_reachable "the dashboard's page is left out, and its tests" "$root/scripts/build-web.sh" --tests

# shellcheck disable=SC2119 # all targets
build_release

if [ $arm64 = yes ] && [ "$(uname -m)" != aarch64 ]; then
  say "testing the engine for arm64 under qemu"
  "$root/scripts/test-arm64.sh"
fi

if [ $armhf = yes ]; then
  say "testing the engine for 32-bit ARM under qemu"
  "$root/scripts/test-armhf.sh"
fi

say "checking the service unit"
"$root/scripts/check-unit.sh"

say "checking the files of docker/"
where_reachable "what looks at the files of docker/ is left out" "$root/tests/container/lint.sh"

say "running the tests"
ctest --test-dir "$build" --output-on-failure -j "$(nproc)"

if [ $devices = yes ] && [ "$(uname -m)" = x86_64 ]; then
  say "testing with cameras, CAN and GPIO lines that a kernel simulates"
  where_reachable "tests that need devices of the kernel are left out" "$root/scripts/test-devices.sh"
fi

if [ $fuzz = yes ]; then
  say "fuzzing, each target for 20 seconds"
  # The same inputs each time: what is new is found by longer runs, not by those who change something else.
  "$root/scripts/fuzz.sh" --seconds 20 --seed 1
fi
