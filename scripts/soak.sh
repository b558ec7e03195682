#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Uses one daemon in every way at once, for long: tests/soak. Says what was lost, mixed up, or grew.
#
#   scripts/soak.sh --serving [--minutes N] [--rate N] [--slack-kb N] [--report FILE] [--build FOLDER]
#   scripts/soak.sh --goals [--rounds N] [--build FOLDER]      what serving shall reach, measured (docs/benchmarks.md)
#   scripts/soak.sh --swaps [N] [--slack-kb N] [--build FOLDER]     versions that take each other's place under load (1000)
#   scripts/soak.sh --unplugs [N] [--slack-kb N] [--build FOLDER]   what pipelines hang on goes and comes back (100)
#   scripts/soak.sh --crashes [N] [--build FOLDER]             daemons killed while they deploy (200), and disks that fail
#
# --rate is requests a second (300, of which two slow cores are busy half of the time). --slack-kb is how much more memory
# the daemon may have in the end (2048). --build names a folder that was configured with another preset, a sanitizer's for
# example, whose own memory grows:
#
#   TSAN_OPTIONS="ignore_noninstrumented_modules=1 suppressions=$PWD/tests/tsan.supp" \
#     scripts/soak.sh --serving --minutes 1 --rate 100 --slack-kb 200000 --build build/tsan
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

part=
folder=
minutes=5
rate=300
slack=2048
report=
rounds=5
times=
while [ $# -gt 0 ]; do
  case $1 in
    --serving | --goals) part=${1#--} ;;
    --swaps | --crashes | --unplugs)
      part=${1#--}
      case ${2:-} in
        [1-9]*)
          times=$2
          shift
          ;;
      esac
      ;;
    --minutes | --rate | --slack-kb | --report | --rounds | --build)
      [ $# -ge 2 ] || die "$1 needs a value"
      case $1 in
        --minutes) minutes=$2 ;;
        --rate) rate=$2 ;;
        --slack-kb) slack=$2 ;;
        --report) report=$2 ;;
        --rounds) rounds=$2 ;;
        --build) folder=$2 ;;
      esac
      shift
      ;;
    *) die "unknown option '$1'; see the beginning of this file" ;;
  esac
  shift
done
[ -n "$part" ] || die "say what to do: --serving, --goals, --swaps, --unplugs or --crashes"

# shellcheck disable=SC2046 # lists of words
install_packages $(packages_in packages-build.txt packages-test.txt)
if [ -n "$folder" ]; then
  cmake --build "$folder" --target inferd inferd-with-test-models inferctl inferd-python
else
  folder=$build
  build_release inferd inferd-with-test-models inferctl inferd-python
fi
PYTHONPATH=$folder/clients/python
export PYTHONPATH
models=${INFERD_TEST_MODELS:-$root/../shared/models}
if [ "$part" = goals ]; then
  exec /usr/bin/python3 -B "$root/tests/soak/goals.py" --inferd "$folder/daemon/inferd" \
    --inferctl "$folder/clients/inferctl" --models "$models" --rounds "$rounds"
fi
if [ "$part" = swaps ]; then
  exec /usr/bin/python3 -B "$root/tests/soak/swaps.py" --inferd "$folder/tests/backends/inferd-with-test-models" \
    --models "$models" --slack-kb "$slack" ${times:+--swaps "$times"}
fi
if [ "$part" = unplugs ]; then
  cmake --build "$folder" --target example-stage-brightness
  rtsp=$folder/tests/integration/rtsp-server
  if cmake --build "$folder" --target rtsp-server; then set -- --rtsp-server "$rtsp"; else set --; fi
  if cmake --build "$folder" --target inferd-module-iio; then set -- "$@" --iio; fi
  exec /usr/bin/python3 -B "$root/tests/soak/unplugs.py" --inferd "$folder/daemon/inferd" --models "$models" \
    --brightness "$folder/daemon/libexample-stage-brightness.so" "$@" --slack-kb "$slack" ${times:+--times "$times"}
fi
if [ "$part" = crashes ]; then
  cmake --build "$folder" --target inferd-faults
  exec /usr/bin/python3 -B "$root/tests/soak/crashes.py" --inferd "$folder/tests/backends/inferd-with-test-models" \
    --faults "$folder/tests/soak/libinferd-faults.so" ${times:+--kills "$times"}
fi
exec /usr/bin/python3 -B "$root/tests/soak/serving.py" \
  --inferd "$folder/tests/backends/inferd-with-test-models" --inferctl "$folder/clients/inferctl" \
  --models "$models" --minutes "$minutes" --rate "$rate" --slack-kb "$slack" ${report:+--report "$report"}
