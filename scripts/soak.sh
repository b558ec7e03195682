#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Uses one daemon in every way at once, for long: tests/soak. Says what was lost, mixed up, or grew.
#
#   scripts/soak.sh --serving [--minutes N] [--rate N] [--report FILE] [--build FOLDER]
#
# --rate is requests a second (300, of which two slow cores are busy half of the time). --build names a folder that was
# configured with another preset, a sanitizer's for example.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

part=
folder=
minutes=5
rate=300
report=
while [ $# -gt 0 ]; do
  case $1 in
    --serving) part=serving ;;
    --minutes | --rate | --report | --build)
      [ $# -ge 2 ] || die "$1 needs a value"
      case $1 in
        --minutes) minutes=$2 ;;
        --rate) rate=$2 ;;
        --report) report=$2 ;;
        --build) folder=$2 ;;
      esac
      shift
      ;;
    *) die "unknown option '$1' (known: --serving, --minutes N, --rate N, --report FILE, --build FOLDER)" ;;
  esac
  shift
done
[ -n "$part" ] || die "say what to soak: --serving"

# shellcheck disable=SC2046 # lists of words
install_packages $(packages_in packages-build.txt packages-test.txt)
if [ -n "$folder" ]; then
  cmake --build "$folder" --target inferd-with-test-models inferctl inferd-python
else
  folder=$build
  build_release inferd-with-test-models inferctl inferd-python
fi
PYTHONPATH=$folder/clients/python exec /usr/bin/python3 -B "$root/tests/soak/serving.py" \
  --inferd "$folder/tests/backends/inferd-with-test-models" --inferctl "$folder/clients/inferctl" \
  --models "${INFERD_TEST_MODELS:-$root/../shared/models}" --minutes "$minutes" --rate "$rate" \
  ${report:+--report "$report"}
