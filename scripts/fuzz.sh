#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds the libFuzzer programs with clang, AddressSanitizer and UndefinedBehaviorSanitizer, and runs each for a while,
# as many at a time as there are cores. What they learn stays in build/fuzz/tests/fuzz/corpus; an input that makes one
# fail is written to build/fuzz/tests/fuzz and belongs into tests/issues.
#
#   scripts/fuzz.sh [--seconds N] [--seed N] [NAME...]      60 seconds each; all, or those named (fuzz_model)
#
# With a seed the inputs are the same each time, as far as the time reaches.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

seconds=60
seed=0
while [ $# -gt 0 ]; do
  case $1 in
    --seconds)
      [ $# -ge 2 ] || die "--seconds needs a number"
      seconds=$2
      shift
      ;;
    --seed)
      [ $# -ge 2 ] || die "--seed needs a number"
      seed=$2
      shift
      ;;
    -*) die "unknown option '$1' (known: --seconds N, --seed N)" ;;
    *) break ;;
  esac
  shift
done

# shellcheck disable=SC2046 # lists of words
install_packages $(packages_in packages-build.txt packages-test.txt packages-fuzz.txt)

names=$*
if [ -z "$names" ]; then
  # shellcheck disable=SC2154 # lib.sh sets root
  for file in "$root"/tests/fuzz/fuzz_*.cc; do names="$names $(basename "$file" .cc)"; done
fi
cmake -S "$root" --preset fuzz -DINFERD_FUZZ_SECONDS="$seconds" -DINFERD_FUZZ_SEED="$seed" >/dev/null
# shellcheck disable=SC2086 # a list of words
cmake --build "$root/build/fuzz" --target $names
# shellcheck disable=SC2086 # a list of words
pattern=$(printf '%s|' $names)
ctest --test-dir "$root/build/fuzz" --output-on-failure -j "$(nproc)" -R "^(${pattern%|})\$"
